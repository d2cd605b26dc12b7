/* SPDX-License-Identifier: Apache-2.0 */
/* The heartbeat: every second tick of the boot vCPU, and before every answer, so that a dead timer does not hide it. */
#include "pulse.h"

#define TICKS_A_BEAT 2

static u32 sent_at; /* ticks */
static u32 turn;

struct sums {
    u64 bad, regs, warps;
};

/* The vCPUs count pages in 32 bits, which a 32-bit CPU reads in one piece; here they are summed up in 64. */
static u64 wrote(void)
{
    static u64 total;
    static u32 seen[MAX_CPUS];

    for (u32 i = 0; i < cpu_count; i++) {
        u32 now = cpu_at(i)->share.wrote;
        total += now - seen[i];
        seen[i] = now;
    }
    return total;
}

static struct sums sums(void)
{
    struct sums sums = {0, 0, 0};

    for (u32 i = 0; i < cpu_count; i++) {
        const struct cpu *cpu = cpu_at(i);
        sums.bad += cpu->share.bad;
        sums.regs += cpu->regs;
        sums.warps += cpu->warps;
    }
    return sums;
}

void beat_now(void)
{
    struct cpu *boot = cpu_at(0);

    clock_observe(boot);
    struct published of = clock_published(cpu_at(turn));
    struct sums all = sums();
    statement_begin("beat");
    statement_hex("tsc", boot->tsc);
    statement_hex("ticks", boot->published.ticks);
    statement_text("rtc", clock_rtc());
    statement_hex("cpu", turn);
    statement_hex("ctsc", of.tsc);
    statement_hex("cticks", of.ticks);
    statement_hex("gen", of.gen);
    statement_hex("cur", of.cur);
    statement_hex("wrote", wrote());
    statement_hex("bad", all.bad);
    statement_hex("regs", all.regs);
    statement_hex("warps", all.warps);
    statement_end();
    sent_at = boot->published.ticks;
    turn = (turn + 1) % cpu_count;
}

void beat_when_due(void)
{
    if (cpu_at(0)->ticks - sent_at >= TICKS_A_BEAT)
        beat_now();
}
