/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's log: its complaints of the time before `ready`, and every line after it of it. `log` writes a mark there and
 * is answered when the mark has come by: who reads it is awake, and everything before it has been said.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define WARNING   4  /* linux/kern_levels.h */
#define RECORD    2048
#define MARK      "landfall mark "

static int log_fd = -1;

static void answer(const char *mark)
{
    beat_now();
    statement_begin("log");
    statement_hex("id", strtoul(mark, NULL, 16));
    statement_end();
}

/* `priority,sequence,microseconds,flags;text\n` and lines of a device's properties: Documentation/ABI/testing/dev-kmsg. */
static void take(char *record)
{
    char *text = strchr(record, ';');
    unsigned priority = 0;
    unsigned long long sequence, stamp = 0;

    if (!text || sscanf(record, "%u,%llu,%llu", &priority, &sequence, &stamp) != 3)
        return;
    *strchrnul(++text, '\n') = 0;
    if (!strncmp(text, MARK, strlen(MARK))) {
        answer(text + strlen(MARK));
    } else if (stamp > ready_at / 1000 || (priority & 7) <= WARNING) {
        statement_begin("kernel");
        statement_hex("level", priority & 7);
        statement_hex("at", stamp);
        statement_text("text", text);
        statement_end();
    }
}

static void hear(void *context)
{
    char record[RECORD + 1];
    ssize_t length;

    (void)context;
    while ((length = read(log_fd, record, RECORD)) > 0) {
        record[length] = 0;
        take(record);
    }
}

static void start(void)
{
    log_fd = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (log_fd < 0)
        die("/dev/kmsg");
    watch(log_fd, EPOLLIN, hear, NULL);
}

/* With its line feed: what has none is kept back until another line comes. */
static bool mark(u32 id, const char *words)
{
    char text[64];

    if (strcmp(words, "log"))
        return false;
    int length = snprintf(text, sizeof text, MARK "%x\n", id);
    return write(log_fd, text, (size_t)length) == length;
}

SUBJECT(log) = {.start = start, .command = mark, .feature = "log"};
