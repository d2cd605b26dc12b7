/* SPDX-License-Identifier: Apache-2.0 */
/* A thread for each vCPU, pinned to it: it sleeps until its next tick, looks at everything, and writes its pages. */
#define _GNU_SOURCE
#include "agent.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#define TICK_NS (1000000000 / TICKS_PER_S)

u32 vcpu_count, vcpu_owners;
static struct vcpu vcpus[MAX_CPUS];
static pthread_t threads[MAX_CPUS];
static pthread_barrier_t owned;

struct vcpu *vcpu_at(u32 index) { return &vcpus[index]; }

static void pin(u32 index)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(index, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        die("vCPU %u", index);
}

static void tick(struct vcpu *vcpu)
{
    clock_observe(vcpu);
    pages_dirty(vcpu);
    canary_spin(vcpu, options.spin);
    if (!vcpu->index)
        beat_when_due();
}

/* A tick that was slept through is not made up for. One that a signal cut short is no tick. */
static void live(struct vcpu *vcpu)
{
    u64 next = monotonic_ns() + TICK_NS;

    for (;;) {
        canary_sleep(vcpu, next);
        u64 now = monotonic_ns();
        if (now >= next) {
            vcpu->ticks++;
            next = next + TICK_NS > now ? next + TICK_NS : now + TICK_NS;
            tick(vcpu);
        }
        verify_when_asked(vcpu);
        grow_when_asked(vcpu);
    }
}

static void *run(void *context)
{
    struct vcpu *vcpu = context;

    pin(vcpu->index);
    pages_own(vcpu);
    pthread_barrier_wait(&owned);
    live(vcpu);
    return NULL;
}

static void *run_later(void *context)
{
    struct vcpu *vcpu = context;

    pin(vcpu->index);
    live(vcpu);
    return NULL;
}

/* Counted when all about it is known: others look at every vCPU that is counted. */
void vcpu_join(u32 index)
{
    struct vcpu *vcpu = &vcpus[index];

    if (index != vcpu_count || index >= MAX_CPUS)
        return;
    vcpu->index = index;
    verify_join(vcpu);
    if (pthread_create(&threads[index], NULL, run_later, vcpu))
        die("a thread for vCPU %u", index);
    __atomic_store_n(&vcpu_count, index + 1, __ATOMIC_RELEASE);
}

static void woken(int number) { (void)number; }

/* No timer is needed: a signal ends a sleep. */
void vcpus_wake(void)
{
    for (u32 i = 0; i < vcpu_count; i++)
        pthread_kill(threads[i], SIGUSR1);
}

void vcpus_count(void)
{
    vcpu_count = (u32)sysconf(_SC_NPROCESSORS_ONLN);
    if (vcpu_count > MAX_CPUS)
        die("%u vCPUs", vcpu_count);
    vcpu_owners = vcpu_count;
}

void vcpus_start(void)
{
    signal(SIGUSR1, woken);
    pthread_barrier_init(&owned, NULL, vcpu_count + 1);
    for (u32 i = 0; i < vcpu_count; i++) {
        struct share *share = &vcpus[i].share;
        vcpus[i].index = i;
        share->first = options.pages / vcpu_count * i;
        share->count = options.pages / vcpu_count + (i + 1 == vcpu_count ? options.pages % vcpu_count : 0);
        if (pthread_create(&threads[i], NULL, run, &vcpus[i]))
            die("a thread for vCPU %u", i);
    }
    pthread_barrier_wait(&owned);
}
