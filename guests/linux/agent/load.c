/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load: threads that keep memory, the CPUs, and pipes and files busy, at a lower priority than those that testify. Each
 * knows what must come out of its work, so that what a migration spoils is seen here as well.
 */
#define _GNU_SOURCE
#include "agent.h"
#include "load.h"

#include <pthread.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NICE           10
#define MAX_EACH       8
#define PERIOD_MS      250
#define STATEMENTS_MAX 8

static struct worker workers[LOAD_KINDS][MAX_EACH];
static const char *const names[LOAD_KINDS] = {"memory", "cpu", "io"};
static work *const works[LOAD_KINDS] = {load_memory, load_cpu, load_io};
static u32 wanted[LOAD_KINDS];
static u64 wrong;

void load_wrong(const struct worker *worker, u64 found, u64 expected)
{
    if (__atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED) >= STATEMENTS_MAX)
        return;
    statement_begin("stress");
    statement_text("name", names[worker->kind]);
    statement_hex("worker", worker->index);
    statement_hex("found", found);
    statement_hex("expected", expected);
    statement_end();
}

static void *run(void *context)
{
    struct worker *worker = context;

    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    for (;;) {
        while (worker->index >= __atomic_load_n(&wanted[worker->kind], __ATOMIC_RELAXED))
            usleep(20000);
        works[worker->kind](worker);
        __atomic_fetch_add(&worker->rounds, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void want(u32 kind, u32 count)
{
    pthread_t thread;

    for (u32 i = 0; i < count; i++) {
        struct worker *worker = &workers[kind][i];
        if (worker->started)
            continue;
        *worker = (struct worker){.kind = kind, .index = i, .started = true};
        if (pthread_create(&thread, NULL, run, worker))
            die("a thread for load");
    }
    __atomic_store_n(&wanted[kind], count, __ATOMIC_RELAXED);
}

static u64 rounds(u32 kind)
{
    u64 sum = 0;

    for (u32 i = 0; i < MAX_EACH; i++)
        sum += __atomic_load_n(&workers[kind][i].rounds, __ATOMIC_RELAXED);
    return sum;
}

static void say(const u32 *id)
{
    statement_begin("load");
    if (id)
        statement_hex("id", *id);
    for (u32 kind = 0; kind < LOAD_KINDS; kind++)
        statement_hex(names[kind], wanted[kind]);
    statement_hex("rewrote", rounds(LOAD_MEMORY));
    statement_hex("reckoned", rounds(LOAD_CPU));
    statement_hex("passed", rounds(LOAD_IO));
    statement_hex("wrong", __atomic_load_n(&wrong, __ATOMIC_RELAXED));
    statement_end();
}

/* Silent in a guest that was never asked for load. */
static void tell(void *context)
{
    (void)context;
    for (u32 kind = 0; kind < LOAD_KINDS; kind++)
        if (workers[kind][0].started) {
            say(NULL);
            return;
        }
}

static bool command(u32 id, const char *words)
{
    u64 now[LOAD_KINDS] = {wanted[0], wanted[1], wanted[2]};

    if (!word_is(&words, "load"))
        return false;
    while (*words)
        if (!word_option(&words, "memory", &now[LOAD_MEMORY], 0, MAX_EACH) &&
            !word_option(&words, "cpu", &now[LOAD_CPU], 0, MAX_EACH) &&
            !word_option(&words, "io", &now[LOAD_IO], 0, MAX_EACH))
            return false;
    for (u32 kind = 0; kind < LOAD_KINDS; kind++)
        want(kind, (u32)now[kind]);
    beat_now();
    say(&id);
    return true;
}

static void start(void) { every(PERIOD_MS, tell, NULL); }

SUBJECT(load) = {.start = start, .command = command, .feature = "load"};
