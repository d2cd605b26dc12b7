/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading from a USB disk without end, block after block and past the page cache, and checking each: the records that a disk
 * is full of (guests/README.md) tell where they belong. One read is always under way, so one is when the machine stops.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define NAME     "landfall"
#define LEAST_NS 50000000 /* between two reads: a fast disk would fill the line with statements */

struct record {
    char name[8];
    u32 number, block;
    u64 words[(PAGE - 24) / 8];
    u64 crc;
};

static struct reads {
    int fd;
    u32 blocks, begun, done, bad, errors;
} reads = {.fd = -1};

/* Where a block stops being what it should be, and what is there: a word tells the block and the place that it is of. */
static void say_wrong(const struct record *record, u32 block)
{
    const u32 count = sizeof record->words / sizeof *record->words;
    u32 index = 0;

    while (index < count && record->words[index] == ((u64)block << 16 | index))
        index++;
    statement_begin("misread");
    statement_hex("block", block);
    statement_hex("index", index);
    statement_hex("found", index < count ? record->words[index] : record->crc);
    statement_end();
}

static bool is_right(const struct record *record, u32 block)
{
    bool is_sealed = record->crc == crc32(record, offsetof(struct record, crc));

    return is_sealed && !memcmp(record->name, NAME, sizeof record->name) && record->block == block;
}

static void say(void)
{
    statement_begin("read");
    statement_hex("blocks", reads.blocks);
    statement_hex("begun", reads.begun);
    statement_hex("done", reads.done);
    statement_hex("bad", reads.bad);
    statement_hex("errors", reads.errors);
    statement_end();
}

static void read_one(struct record *record)
{
    u32 block = reads.begun++ % reads.blocks;
    u64 since = monotonic_ns();

    say();
    ssize_t length = pread(reads.fd, record, PAGE, (off_t)block * PAGE);
    if (length != PAGE)
        reads.errors++;
    else if (!is_right(record, block))
        reads.bad++, say_wrong(record, block);
    reads.done++;
    u64 took = monotonic_ns() - since;
    if (took < LEAST_NS)
        nanosleep(&(struct timespec){.tv_nsec = (long)(LEAST_NS - took)}, NULL);
}

static void *read_on(void *unused)
{
    struct record *record = aligned_alloc(PAGE, PAGE);

    (void)unused;
    if (!record)
        die("a buffer");
    for (;;)
        read_one(record);
}

static void device(const struct uevent *device)
{
    pthread_t thread;
    char path[64];
    u64 bytes = 0;

    if (reads.fd >= 0 || strcmp(device->subsystem, "block") || !strstr(device->path, "/usb"))
        return;
    snprintf(path, sizeof path, "/dev/%s", device->name);
    reads.fd = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (reads.fd < 0)
        return;
    ioctl(reads.fd, BLKGETSIZE64, &bytes);
    reads.blocks = (u32)(bytes / PAGE);
    if (!reads.blocks || pthread_create(&thread, NULL, read_on, NULL))
        die("reading %s", path);
}

SUBJECT(reads) = {.device = device};
