/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A port of a virtio-serial device: numbered lines both ways, `NUMBER GOT *CRC`. Ours are said 50 times a second; GOT is the
 * number of the host's last line, so that the host sends the next one. What came otherwise than in order is counted.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVERY_MS 20
#define LINE     64

static int port = -1;
static u64 sent, got;               /* numbers of the last lines */
static u32 again, lost, garbled;    /* of the host's lines */
static char out[LINE], in[LINE];    /* a line that is not all out yet, and one that is not all in */
static size_t out_length, in_length;

static void push(void)
{
    ssize_t written = out_length ? write(port, out, out_length) : 0;

    if (written > 0) {
        out_length -= (size_t)written;
        memmove(out, out + written, out_length);
    }
}

static void say(void *context)
{
    (void)context;
    push();
    if (out_length)
        return;
    int length = snprintf(out, LINE, "%llx %llx", (unsigned long long)++sent, (unsigned long long)got);
    out_length = (size_t)(length + snprintf(out + length, LINE - (size_t)length, " *%08x\n", crc32(out, (size_t)length)));
    push();
}

static void take(char *line)
{
    char *star = strstr(line, " *");

    if (!star || strtoul(star + 2, NULL, 16) != crc32(line, (size_t)(star - line))) {
        garbled++;
        return;
    }
    u64 number = strtoull(line, NULL, 16);
    if (number <= got) {
        again++;
        return;
    }
    lost += (u32)(number - got - 1);
    got = number;
}

static void hear(void *context)
{
    char bytes[256];
    ssize_t count = read(port, bytes, sizeof bytes);

    (void)context;
    if (count <= 0) { /* nobody is at the other end: the poll would not rest */
        unwatch(port);
        return;
    }
    for (ssize_t i = 0; i < count; i++) {
        if (bytes[i] != '\n') {
            if (in_length < LINE - 1)
                in[in_length++] = bytes[i];
            continue;
        }
        in[in_length] = 0;
        take(in);
        in_length = 0;
    }
}

static void listen_again(void *context)
{
    (void)context;
    watch(port, EPOLLIN, hear, NULL);
}

static void find(const struct uevent *device)
{
    char path[128];

    if (port >= 0 || strcmp(device->subsystem, "virtio-ports") || !strcmp(device->action, "remove") || !*device->name)
        return;
    snprintf(path, sizeof path, "/dev/%s", device->name);
    port = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (port < 0)
        return;
    listen_again(NULL);
    every(EVERY_MS, say, NULL);
    every(EVERY_MS, listen_again, NULL);
}

static bool ask(u32 id, const char *words)
{
    if (strcmp(words, "port") || port < 0)
        return false;
    beat_now();
    statement_begin("port");
    statement_hex("id", id);
    statement_hex("sent", sent - (out_length > 0));
    statement_hex("got", got);
    statement_hex("again", again);
    statement_hex("lost", lost);
    statement_hex("garbled", garbled);
    statement_end();
    return true;
}

SUBJECT(port) = {.device = find, .command = ask};
