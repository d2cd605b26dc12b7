/* SPDX-License-Identifier: Apache-2.0 */
/* Time: every reading of the TSC is compared with the last one, whoever took it; and the real-time clock. */
#include "pulse.h"

#define STATEMENTS_MAX 8

static struct lock lock;
static u64 last; /* reading, */
static u32 by;   /* and the vCPU that took it */
static volatile u32 statements;

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

/*
 * The length of a tick in TSC units, for the duty: a running average of the intervals without a lost tick. It follows
 * a destination with another TSC rate; a jump is cut to four ticks.
 */
static void measure(struct cpu *cpu, u64 now)
{
    u32 ticks = cpu->ticks - cpu->tick_seen;
    u64 interval = now - cpu->tick_tsc, average = cpu->tsc_per_tick;

    if (!ticks)
        return;
    if (ticks == 1 && !average && cpu->tick_tsc)
        cpu->tsc_per_tick = interval;
    else if (ticks == 1 && average)
        cpu->tsc_per_tick += ((interval < 4 * average ? interval : 4 * average) >> 3) - (average >> 3);
    cpu->tick_seen = cpu->ticks;
    cpu->tick_tsc = now;
}

void clock_observe(struct cpu *cpu)
{
    acquire(&lock);
    u64 now = rdtsc(), before = last, own = cpu->tsc;
    u32 before_by = by;
    last = now;
    by = cpu->index;
    cpu->tsc = now;
    cpu->published = (struct published){now, cpu->ticks, cpu->share.gen, cpu->share.cur};
    release(&lock);

    measure(cpu, now);
    if (before_by != cpu->index)
        cpu->warps = cpu->warps + 1;
    if (now < before)
        report(cpu->index, now, before, before_by);
    else if (now < own) /* the other's reading was low as well */
        report(cpu->index, now, own, cpu->index);
}

/* After sleep the TSC may begin anew: only the boot vCPU runs yet. */
void clock_forget(void)
{
    last = 0;
    for (u32 i = 0; i < cpu_count; i++)
        cpu_at(i)->tsc = 0;
}

struct published clock_published(const struct cpu *cpu)
{
    acquire(&lock);
    struct published published = cpu->published;
    release(&lock);
    return published;
}

/* MC146818: index 0x70, data 0x71; bit 7 of register A: do not read now; bit 2 of B: binary, not BCD. */
static volatile u8 selected; /* cannot be read back, and the interrupt comes between index and data */

static void cmos_select(u8 index)
{
    selected = index;
    outb(0x70, index);
}

static u8 cmos(u8 index)
{
    cmos_select(index);
    return inb(0x71);
}

/* Register A: the rate; B: the periodic interrupt. Before interrupts are on. */
void clock_start_rtc(u8 rate)
{
    u8 a = (u8)((cmos(0x0a) & 0x70) | rate), b = cmos(0x0b) | 0x40;

    cmos_select(0x0a);
    outb(0x71, a);
    cmos_select(0x0b);
    outb(0x71, b);
    clock_hush_rtc();
}

/* Register C, which its interrupt stays up until it is read. */
void clock_hush_rtc(void)
{
    outb(0x70, 0x0c);
    inb(0x71);
    outb(0x70, selected);
}

static u8 bcd(u8 value, bool binary) { return binary ? (u8)(value / 10 << 4 | value % 10) : value; }

static char rtc_text[8] = "-";

static void put_pair(char *to, u8 value)
{
    to[0] = (char)('0' + (value >> 4 & 15));
    to[1] = (char)('0' + (value & 15));
}

bool clock_has_rtc(void) { return cmos(0x0a) != 0xff || cmos(0x0b) != 0xff; }

/* Takes no reading that an update, or a migration, may have torn. */
void clock_read_rtc(void)
{
    if (!features.rtc || cmos(0x0a) & 0x80)
        return;
    bool binary = cmos(0x0b) & 4;
    u8 seconds = cmos(0), minutes = cmos(2), hours = cmos(4);
    if (cmos(0x0a) & 0x80 || cmos(0) != seconds || cmos(2) != minutes)
        return;
    put_pair(rtc_text, bcd(hours, binary));
    put_pair(rtc_text + 2, bcd(minutes, binary));
    put_pair(rtc_text + 4, bcd(seconds, binary));
}

const char *clock_rtc(void) { return rtc_text; }
