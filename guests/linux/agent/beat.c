/* SPDX-License-Identifier: Apache-2.0 */
/* The heartbeat: every fourth tick of the first vCPU, and before every answer, so that a dead timer does not hide it. */
#include "agent.h"

#include <pthread.h>

#define TICKS_A_BEAT 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* the loop's thread beats as well as the first vCPU's */
static u32 sent_at; /* ticks */
static u32 turn;

struct sums {
    u64 wrote, bad, regs, warps;
};

static struct sums sums(void)
{
    struct sums sums = {0, 0, 0, 0};

    for (u32 i = 0; i < vcpu_count; i++) {
        const struct vcpu *vcpu = vcpu_at(i);
        sums.wrote += vcpu->wrote;
        sums.bad += vcpu->bad;
        sums.regs += vcpu->regs;
        sums.warps += vcpu->warps;
    }
    return sums;
}

void beat_now(void)
{
    pthread_mutex_lock(&lock);
    struct published of = clock_published(vcpu_at(turn));
    struct sums all = sums();
    const char *rtc = clock_rtc();
    statement_begin("beat");
    statement_hex("tsc", rdtsc());
    statement_hex("ticks", vcpu_at(0)->ticks);
    statement_text("rtc", rtc);
    statement_hex("cpu", turn);
    statement_hex("ctsc", of.tsc);
    statement_hex("cticks", of.ticks);
    statement_hex("gen", of.gen);
    statement_hex("cur", of.cur);
    statement_hex("wrote", all.wrote);
    statement_hex("bad", all.bad);
    statement_hex("regs", all.regs);
    statement_hex("warps", all.warps);
    statement_end();
    sent_at = vcpu_at(0)->ticks;
    turn = (turn + 1) % vcpu_count;
    pthread_mutex_unlock(&lock);
}

void beat_when_due(void)
{
    if (vcpu_at(0)->ticks - sent_at >= TICKS_A_BEAT)
        beat_now();
}
