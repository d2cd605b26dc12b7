/* SPDX-License-Identifier: Apache-2.0 */
/* The one loop: whoever waits for a file or a time is called back from here. */
#include "agent.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define FILES_MAX 256 /* file descriptors are small numbers: the kernel gives the lowest free one */

static int queue = -1;
static struct waiting {
    handler *ready;
    void *context;
} waiting[FILES_MAX];

static void make_queue(void)
{
    if (queue < 0 && (queue = epoll_create1(EPOLL_CLOEXEC)) < 0)
        die("epoll_create1");
}

void watch(int fd, u32 events, handler *ready, void *context)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    make_queue();
    if (fd >= FILES_MAX)
        die("too many files");
    bool known = waiting[fd].ready;
    waiting[fd] = (struct waiting){ready, context};
    if (epoll_ctl(queue, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event))
        die("epoll_ctl");
}

/* Before it is closed. */
void unwatch(int fd)
{
    waiting[fd] = (struct waiting){NULL, NULL};
    epoll_ctl(queue, EPOLL_CTL_DEL, fd, NULL);
}

struct period {
    int fd;
    handler *due;
    void *context;
};

static void tick(void *context)
{
    struct period *period = context;
    u64 times;

    if (read(period->fd, &times, sizeof times) == sizeof times)
        period->due(period->context);
}

void every(u32 milliseconds, handler *due, void *context)
{
    struct period *period = malloc(sizeof *period);
    struct timespec length = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

    if (!period || fd < 0 || timerfd_settime(fd, 0, &(struct itimerspec){length, length}, NULL))
        die("a timer");
    *period = (struct period){fd, due, context};
    watch(fd, EPOLLIN, tick, period);
}

void loop(void)
{
    struct epoll_event events[16];

    for (;;) {
        int count = epoll_wait(queue, events, 16, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct waiting *one = &waiting[events[i].data.fd];
            if (one->ready)
                one->ready(one->context);
        }
    }
}
