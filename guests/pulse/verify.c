/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `verify`: a round in which every vCPU checks its own share. The boot vCPU opens it, wakes the others by IPI, and is
 * woken by the last: no timer is needed. A vCPU that trapped is not waited for; its pages are missing in the answer.
 */
#include "pulse.h"

#define QUEUE 4 /* a power of two */

static volatile u32 round; /* 0: none yet */
static bool open;
static u32 ids[QUEUE], asked, answered;

static void open_round(void)
{
    open = true;
    __atomic_store_n(&round, round + 1, __ATOMIC_RELEASE);
    apic_wake_others();
}

/* An answer must come from a check that began after the question, so a question waits for the next round. */
bool verify_ask(u32 id)
{
    for (u32 i = answered; i != asked; i++)
        if (ids[i % QUEUE] == id)
            return true; /* sent again; its answer is on the way */
    if (asked - answered == QUEUE)
        return false;
    ids[asked++ % QUEUE] = id;
    if (!open)
        open_round();
    return true;
}

bool verify_wanted(const struct cpu *cpu) { return cpu->verify_round != __atomic_load_n(&round, __ATOMIC_ACQUIRE); }

void verify_take_part(struct cpu *cpu, void (*poll)(struct cpu *))
{
    u32 current = __atomic_load_n(&round, __ATOMIC_ACQUIRE);

    fpu_check(cpu);
    watched_check(cpu);
    pages_verify(cpu, poll);
    __atomic_store_n(&cpu->verify_round, current, __ATOMIC_RELEASE);
    if (cpu->index)
        apic_wake(cpu_at(0)->apic_id);
}

bool verify_finished(void)
{
    for (u32 i = 0; open && i < cpu_count; i++)
        if (!cpu_at(i)->dead && verify_wanted(cpu_at(i)))
            return false;
    return open;
}

void verify_answer(void)
{
    u32 pages = 0, bad = 0, gen = ~0u;

    for (u32 i = 0; i < cpu_count; i++) {
        const struct cpu *cpu = cpu_at(i);
        if (verify_wanted(cpu))
            continue;
        pages += cpu->verified_pages;
        bad += cpu->verified_bad;
        gen = cpu->share.gen < gen ? cpu->share.gen : gen;
    }
    beat_now();
    statement_begin("verified");
    statement_hex("id", ids[answered++ % QUEUE]);
    statement_hex("pages", pages);
    statement_hex("bad", bad);
    statement_hex("gen", gen);
    statement_end();
    pages_reset_statements();
    open = false;
    if (asked != answered)
        open_round();
}
