/* SPDX-License-Identifier: Apache-2.0 */
/* What keeps memory, a CPU, and sockets and files busy: a round of each, whose result is known. */
#define _GNU_SOURCE
#include "load.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define REGION      (4u << 20) /* bytes that a worker of memory rewrites, over and over */
#define REGION_STEP (REGION / 8)
#define BLOCK       4096u
#define FILE_BLOCKS 256u
#define STEPS       20000 /* of reckoning in a round */
#define MARK        0x80000000u /* in every word of a region, and in no other page of the agent's */

/* Word n of the region holds the round that wrote it above, n and the mark below. */
struct region {
    u64 *words;
    u64 round, next;
};

static u64 word_of(u64 round, u64 n) { return round << 32 | n; }

static struct region *region_of(struct worker *worker)
{
    struct region *region = worker->state;

    if (region)
        return region;
    region = calloc(1, sizeof *region);
    void *words = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (!region || words == MAP_FAILED)
        die("memory for load");
    region->words = words;
    for (u64 n = 0; n < REGION / 8; n++)
        region->words[n] = word_of(0, MARK | n);
    region->round = 1;
    return worker->state = region;
}

/* A part of the region: every word must be the one that the round before wrote. */
void load_memory(struct worker *worker)
{
    struct region *region = region_of(worker);
    u64 end = region->next + REGION_STEP / 8;

    for (u64 n = region->next; n < end; n++) {
        if (region->words[n] != word_of(region->round - 1, MARK | n))
            load_wrong(worker, region->words[n], word_of(region->round - 1, MARK | n));
        region->words[n] = word_of(region->round, MARK | n);
    }
    region->next = end % (REGION / 8);
    region->round += !region->next;
}

/* Integers, SSE and x87 in one loop; the same beginning must always lead to the same end. */
static u64 reckon(void)
{
    u64 state = 0x9e3779b97f4a7c15;
    volatile double series = 0;
    volatile long double product = 1;
    union {
        double number;
        u64 bits;
    } sum;

    for (int i = 1; i < STEPS; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        series += 1.0 / ((double)i * i);
        product *= 1.0L + 1.0L / (state % 1000 + 1000) / i;
    }
    sum.number = series + (double)product;
    return state ^ sum.bits;
}

void load_cpu(struct worker *worker)
{
    u64 *expected = worker->state;
    u64 found = reckon();

    if (!expected) {
        expected = malloc(sizeof *expected);
        if (!expected)
            die("memory for load");
        *expected = found;
        worker->state = expected;
    }
    if (found != *expected)
        load_wrong(worker, found, *expected);
}

/* A partner at the other end of a socket sends every block back; what comes is kept in a file and read again. */
struct exchange {
    int mine, file;
    u64 round;
};

static bool whole(ssize_t (*move)(int, void *, size_t), int fd, void *block)
{
    for (size_t done = 0; done < BLOCK;) {
        ssize_t now = move(fd, (u8 *)block + done, BLOCK - done);
        if (now <= 0 && errno != EINTR)
            return false;
        done += now > 0 ? (size_t)now : 0;
    }
    return true;
}

static ssize_t put(int fd, void *from, size_t size) { return write(fd, from, size); }

static void *send_back(void *context)
{
    int fd = (int)(intptr_t)context;
    u64 block[BLOCK / 8];

    while (whole(read, fd, block) && whole(put, fd, block))
        ;
    return NULL;
}

static struct exchange *exchange_of(struct worker *worker)
{
    struct exchange *exchange = worker->state;
    pthread_t partner;
    int ends[2];

    if (exchange)
        return exchange;
    exchange = calloc(1, sizeof *exchange);
    if (!exchange || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) ||
        pthread_create(&partner, NULL, send_back, (void *)(intptr_t)ends[1]))
        die("a socket for load");
    *exchange = (struct exchange){.mine = ends[0], .file = memfd_create("load", MFD_CLOEXEC), .round = 1};
    if (exchange->file < 0)
        die("a file for load");
    return worker->state = exchange;
}

static void expect_block(struct worker *worker, const u64 *block, u64 round)
{
    for (u64 n = 0; n < BLOCK / 8; n++)
        if (block[n] != word_of(round, n)) {
            load_wrong(worker, block[n], word_of(round, n));
            return;
        }
}

void load_io(struct worker *worker)
{
    struct exchange *exchange = exchange_of(worker);
    u64 block[BLOCK / 8], round = exchange->round++;
    u64 oldest = round >= FILE_BLOCKS ? round - FILE_BLOCKS + 1 : 1;

    for (u64 n = 0; n < BLOCK / 8; n++)
        block[n] = word_of(round, n);
    if (!whole(put, exchange->mine, block) || !whole(read, exchange->mine, block))
        die("a socket for load");
    expect_block(worker, block, round);
    off_t here = (off_t)(round % FILE_BLOCKS) * BLOCK, there = (off_t)(oldest % FILE_BLOCKS) * BLOCK;
    if (pwrite(exchange->file, block, BLOCK, here) != BLOCK || pread(exchange->file, block, BLOCK, there) != BLOCK)
        die("a file for load");
    expect_block(worker, block, oldest);
}
