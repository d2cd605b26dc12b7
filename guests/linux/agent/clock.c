/* SPDX-License-Identifier: Apache-2.0 */
/* Time: every reading of the TSC is compared with the last one, whoever took it; and the real-time clock. */
#include "agent.h"

#include <fcntl.h>
#include <linux/rtc.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <time.h>

#define STATEMENTS_MAX 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static u64 last; /* reading, */
static u32 by;   /* and the vCPU that took it */
static u32 statements;

u64 rdtsc(void)
{
    u32 low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return (u64)high << 32 | low;
}

u64 monotonic_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

static void report(u32 index, u64 now, u64 before, u32 by_index)
{
    if (__atomic_fetch_add(&statements, 1, __ATOMIC_RELAXED) >= STATEMENTS_MAX)
        return;
    statement_begin("tsc");
    statement_hex("cpu", index);
    statement_hex("now", now);
    statement_hex("before", before);
    statement_hex("by", by_index);
    statement_end();
}

/* By the vCPU's own thread only. */
void clock_observe(struct vcpu *vcpu)
{
    pthread_mutex_lock(&lock);
    u64 now = rdtsc(), before = last, own = vcpu->tsc;
    u32 before_by = by;
    last = now;
    by = vcpu->index;
    vcpu->tsc = now;
    vcpu->published = (struct published){now, vcpu->ticks, vcpu->share.gen, vcpu->share.cur};
    pthread_mutex_unlock(&lock);

    if (before_by != vcpu->index)
        vcpu->warps++;
    if (now < before)
        report(vcpu->index, now, before, before_by);
    else if (now < own) /* the other's reading was low as well */
        report(vcpu->index, now, own, vcpu->index);
}

struct published clock_published(struct vcpu *vcpu)
{
    pthread_mutex_lock(&lock);
    struct published published = vcpu->published;
    pthread_mutex_unlock(&lock);
    return published;
}

/* Read four times a second: the kernel waits for the clock's update to end. */
const char *clock_rtc(void)
{
    static char text[16] = "-";
    static int device = -2;
    static u64 read_at;
    struct rtc_time time;
    u64 now = monotonic_ns();

    if (device == -2)
        device = open("/dev/rtc0", O_RDONLY | O_CLOEXEC);
    if (device >= 0 && (!read_at || now - read_at > 250000000) && !ioctl(device, RTC_RD_TIME, &time)) {
        snprintf(text, sizeof text, "%02d%02d%02d", time.tm_hour % 100, time.tm_min % 100, time.tm_sec % 100);
        read_at = now;
    }
    return text;
}
