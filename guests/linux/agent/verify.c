/* SPDX-License-Identifier: Apache-2.0 */
/* `verify`: a round in which every vCPU checks its own share. The last one to end it answers. */
#include "agent.h"

#include <string.h>

static u32 round, answered; /* 0: none yet */
static u32 left;            /* vCPUs that have not ended the round */
static u32 asked_id;

static void answer(void)
{
    u32 pages = 0, bad = 0, gen = ~0u;

    for (u32 i = 0; i < vcpu_count; i++) {
        const struct vcpu *vcpu = vcpu_at(i);
        pages += vcpu->verified_pages;
        bad += vcpu->verified_bad;
        gen = vcpu->share.count && vcpu->share.gen < gen ? vcpu->share.gen : gen;
    }
    beat_now();
    statement_begin("verified");
    statement_hex("id", asked_id);
    statement_hex("pages", pages);
    statement_hex("bad", bad);
    statement_hex("gen", gen);
    statement_end();
    pages_reset_statements();
    __atomic_store_n(&answered, round, __ATOMIC_RELEASE);
}

void verify_when_asked(struct vcpu *vcpu)
{
    u32 current = __atomic_load_n(&round, __ATOMIC_ACQUIRE);

    if (vcpu->verify_round == current)
        return;
    pages_verify(vcpu);
    vcpu->verify_round = current;
    if (__atomic_sub_fetch(&left, 1, __ATOMIC_ACQ_REL) == 0)
        answer();
}

void verify_join(struct vcpu *vcpu) { vcpu->verify_round = round; }

/* One round at a time. Whoever asks meanwhile is not answered, and asks again: its check must begin after it asked. */
static bool ask(u32 id, const char *words)
{
    if (strcmp(words, "verify"))
        return false;
    if (__atomic_load_n(&answered, __ATOMIC_ACQUIRE) != round)
        return true;
    asked_id = id;
    __atomic_store_n(&left, vcpu_count, __ATOMIC_RELEASE);
    __atomic_store_n(&round, round + 1, __ATOMIC_RELEASE);
    vcpus_wake();
    return true;
}

SUBJECT(verify) = {.command = ask};
