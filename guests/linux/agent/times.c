/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's clocks, with the flag `clocks`: all of them in one breath between two readings of the TSC; whether
 * CLOCK_MONOTONIC ever goes back, for one vCPU or from one to the next; and how late the timers of each vCPU fire.
 */
#define _GNU_SOURCE
#include "agent.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PERIOD_MS      80 /* between two statements */
#define TIMERS_PER_S   100
#define READINGS       8 /* of CLOCK_MONOTONIC, whenever a vCPU's timer fires */
#define TRIES          4 /* at a breath: the shortest one is told */
#define STATEMENTS_MAX 8
#define FOLDER         "/sys/devices/system/clocksource/clocksource0/"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static u64 last, compared; /* reading, and how many were compared with another vCPU's */
static u32 by;             /* the vCPU that took it */
static u32 statements;
static int source_fd = -1, available_fd = -1;
static struct timers {
    u64 fired, late; /* nanoseconds; the worst since it was told */
} timers[MAX_CPUS];

static u64 read_ns(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (u64)now.tv_sec * 1000000000 + (u64)now.tv_nsec;
}

static void went_back(u32 cpu, u64 now, u64 before, u32 before_by)
{
    if (__atomic_fetch_add(&statements, 1, __ATOMIC_RELAXED) >= STATEMENTS_MAX)
        return;
    statement_begin("clock");
    statement_hex("cpu", cpu);
    statement_text("name", "CLOCK_MONOTONIC");
    statement_hex("now", now);
    statement_hex("before", before);
    statement_hex("by", before_by);
    statement_end();
}

/* Under a lock, so that one reading is known to come after the other. */
static void compare(u32 cpu)
{
    pthread_mutex_lock(&lock);
    u64 now = read_ns(CLOCK_MONOTONIC), before = last;
    u32 before_by = by;
    last = now;
    by = cpu;
    compared += before_by != cpu;
    pthread_mutex_unlock(&lock);
    if (now < before)
        went_back(cpu, now, before, before_by);
}

static void fired(struct timers *mine, u64 late)
{
    pthread_mutex_lock(&lock);
    mine->fired++;
    if (late > mine->late)
        mine->late = late;
    pthread_mutex_unlock(&lock);
}

/* A timer of its own for each vCPU, set for a time and not for a length: one that is late does not delay the next. */
static void *run(void *context)
{
    struct timers *mine = context;
    u32 cpu = (u32)(mine - timers);
    u64 next = read_ns(CLOCK_MONOTONIC);
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
    for (;;) {
        next += 1000000000 / TIMERS_PER_S;
        struct timespec at = {(time_t)(next / 1000000000), (long)(next % 1000000000)};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL))
            ;
        u64 now = read_ns(CLOCK_MONOTONIC);
        fired(mine, now > next ? now - next : 0);
        if (now > next + 1000000000 / TIMERS_PER_S)
            next = now;
        for (int i = 0; i < READINGS; i++)
            compare(cpu);
    }
    return NULL;
}

struct breath {
    u64 tsc0, mono, raw, boot, real, tsc1;
};

static struct breath breathe(void)
{
    struct breath best = {0, 0, 0, 0, 0, ~(u64)0};

    for (int i = 0; i < TRIES; i++) {
        struct breath now;
        now.tsc0 = rdtsc();
        now.mono = read_ns(CLOCK_MONOTONIC);
        now.raw = read_ns(CLOCK_MONOTONIC_RAW);
        now.boot = read_ns(CLOCK_BOOTTIME);
        now.real = read_ns(CLOCK_REALTIME);
        now.tsc1 = rdtsc();
        if (now.tsc1 - now.tsc0 < best.tsc1 - best.tsc0)
            best = now;
    }
    return best;
}

static const char *text_of(int fd, char *text, size_t size)
{
    ssize_t length = pread(fd, text, size - 1, 0);

    text[length > 0 ? length : 0] = 0;
    text[strcspn(text, "\n")] = 0;
    return text;
}

static void tell_of_a_change(const char *source)
{
    static char told[64], available[128];

    if (!strcmp(source, told))
        return;
    snprintf(told, sizeof told, "%s", source);
    statement_begin("clocksource");
    statement_text("source", source);
    statement_text("available", text_of(available_fd, available, sizeof available));
    statement_end();
}

static void tell(void *context)
{
    static u32 turn;
    char source[64];

    (void)context;
    text_of(source_fd, source, sizeof source);
    tell_of_a_change(source);
    pthread_mutex_lock(&lock);
    struct timers of = timers[turn];
    u64 pairs = compared;
    timers[turn].late = 0;
    pthread_mutex_unlock(&lock);
    struct breath now = breathe();
    statement_begin("clocks");
    statement_hex("mono0", now.tsc0);
    statement_hex("mono1", now.tsc1);
    statement_hex("mono", now.mono);
    statement_hex("raw", now.raw);
    statement_hex("boot", now.boot);
    statement_hex("real", now.real);
    statement_text("source", source);
    statement_hex("compared", pairs);
    statement_hex("cpu", turn);
    statement_hex("fired", of.fired);
    statement_hex("late", of.late);
    statement_end();
    turn = (turn + 1) % vcpu_count;
}

static void start(void)
{
    pthread_t thread;

    if (!option_flag("clocks"))
        return;
    source_fd = open(FOLDER "current_clocksource", O_RDONLY | O_CLOEXEC);
    available_fd = open(FOLDER "available_clocksource", O_RDONLY | O_CLOEXEC);
    if (source_fd < 0 || available_fd < 0)
        die("the clock source");
    for (u32 i = 0; i < vcpu_count; i++)
        if (pthread_create(&thread, NULL, run, &timers[i]))
            die("a thread for the timers of vCPU %u", i);
    every(PERIOD_MS, tell, NULL);
}

SUBJECT(times) = {.start = start};
