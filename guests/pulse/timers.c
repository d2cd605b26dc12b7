/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PC's older timers, driven when `timers=` asks for them: 8254, HPET and the RTC's periodic interrupt, each with an
 * I/O APIC pin of its own. Said of each: how often it interrupted, and what its counter shows between two readings of
 * the TSC. A reading that was interrupted, or waited for the emulator, is told by how far those two are apart.
 */
#include "pulse.h"

#define PIT_COUNT  23864 /* of 1193182 Hz: 50 interrupts a second (Intel 8254 data sheet) */
#define PIT_PIN    2     /* ISA interrupt 0 goes to pin 2 (QEMU 10.0, hw/intc/ioapic.c, ioapic_set_irq) */
#define RTC_PIN    8
#define RTC_RATE   10    /* 64 Hz (MC146818 data sheet, table 5) */
#define PM_TIMER   0x608 /* where SeaBIOS puts it (1.16, src/fw/paravirt.h, PORT_ACPI_PM_BASE); 3579545 Hz, 24 bits */
#define READ_AGAIN 3
#define TICKS_A_STATEMENT 3 /* no multiple of the PIT's period: one that counts a part of it shows */

/* IA-PC HPET specification 1.0a, section 2.3. */
#define HPET        0xfed00000u
#define H_PERIOD    0x004 /* of the main counter, in fs */
#define H_CONFIG    0x010
#define H_COUNTER   0x0f0
#define T_CONFIG    0x100
#define T_PINS      0x104
#define T_COMPARE   0x108
#define H_ON        1u
#define T_ON        0x04u
#define T_PERIODIC  0x08u
#define T_SET       0x40u
#define T_PIN_SHIFT 9
#define H_SLOWEST   100 /* ns: what is more, or 0, is no HPET */
#define FS_A_NS     1000000u
#define TIMER_NS    20000000u

static struct timers {
    u32 wanted; /* bits of enum timer */
    bool started, hpet_interrupts;
    u32 said_at; /* ticks */
    volatile u32 pit, hpet, rtc;
} timers;

static u32 hpet_read(u32 offset) { return *(volatile u32 *)(word)(HPET + offset); }
static void hpet_write(u32 offset, u32 value) { *(volatile u32 *)(word)(HPET + offset) = value; }

/* Only before they are started: what runs is not changed. */
bool timers_choose(u32 wanted)
{
    if (timers.started)
        return false;
    timers.wanted = wanted;
    return true;
}

bool timers_drive(enum timer timer) { return timers.wanted & timer; }

static void pit_start(u32 apic_id)
{
    outb(0x43, 0x34); /* counter 0, low byte then high, mode 2 */
    outb(0x40, PIT_COUNT & 0xff);
    outb(0x40, PIT_COUNT >> 8);
    apic_route(PIT_PIN, VECTOR_PIT, apic_id);
}

/* Firmware leaves it running at 18.2 Hz, and the pin may be the only one that the HPET has: once more, then never. */
static void pit_stop(void)
{
    outb(0x43, 0x30); /* mode 0 */
    outb(0x40, 1);
    outb(0x40, 0);
}

static bool hpet_there(void)
{
    u32 period = hpet_read(H_PERIOD) / FS_A_NS;
    return period && period <= H_SLOWEST;
}

/* The highest pin it may use that nothing else here does; 0 when there is none. */
static u32 hpet_pin(void)
{
    u32 pins = hpet_read(T_PINS) & 0xffffff & ~(1u << RTC_PIN);

    if (timers_drive(TIMER_PIT))
        pins &= ~(1u << PIT_PIN);
    u32 pin = 0;
    while (pins >>= 1)
        pin++;
    return pin;
}

static void hpet_compare(u32 pin, u32 high, u32 low)
{
    u32 config = T_ON | T_PERIODIC | T_SET | pin << T_PIN_SHIFT;

    /* Either half that is written uses the permission up (QEMU 10.0, hw/timer/hpet.c, HPET_TN_CMP). */
    hpet_write(T_CONFIG, config);
    hpet_write(T_COMPARE + 4, high);
    hpet_write(T_CONFIG, config);
    hpet_write(T_COMPARE, low);
}

static void hpet_start(u32 apic_id)
{
    u32 pin = hpet_pin();

    hpet_write(H_CONFIG, 0); /* off, and no replacement of the others' interrupts */
    hpet_write(H_COUNTER, 0);
    hpet_write(H_COUNTER + 4, 0);
    if (pin) {
        if (pin == PIT_PIN)
            pit_stop();
        apic_route(pin, VECTOR_HPET, apic_id);
        hpet_compare(pin, 0, TIMER_NS / (hpet_read(H_PERIOD) / FS_A_NS));
        timers.hpet_interrupts = true;
    }
    hpet_write(H_CONFIG, H_ON);
}

void timers_start(u32 apic_id)
{
    timers.started = true;
    if (!hpet_there())
        timers.wanted &= ~(u32)TIMER_HPET;
    if (!features.rtc)
        timers.wanted &= ~(u32)TIMER_RTC;
    if (inl(PM_TIMER) == ~0u)
        timers.wanted &= ~(u32)TIMER_PM;
    if (timers_drive(TIMER_PIT))
        pit_start(apic_id);
    if (timers_drive(TIMER_HPET))
        hpet_start(apic_id);
    if (timers_drive(TIMER_RTC)) {
        apic_route(RTC_PIN, VECTOR_RTC, apic_id);
        clock_start_rtc(RTC_RATE);
    }
}

void timers_interrupt(u32 vector)
{
    switch (vector) {
    case VECTOR_PIT:
        timers.pit = timers.pit + 1;
        break;
    case VECTOR_HPET:
        timers.hpet = timers.hpet + 1;
        break;
    default:
        timers.rtc = timers.rtc + 1;
        clock_hush_rtc();
    }
}

static u64 hpet_counter(void)
{
    u32 high, low;

    do {
        high = hpet_read(H_COUNTER + 4);
        low = hpet_read(H_COUNTER);
    } while (high != hpet_read(H_COUNTER + 4));
    return (u64)high << 32 | low;
}

static u64 pit_counter(void)
{
    outb(0x43, 0); /* latch counter 0 */
    u8 low = inb(0x40);
    return low | (u32)inb(0x40) << 8;
}

static u64 pm_counter(void) { return inl(PM_TIMER); }
static u64 apic_counter(void) { return apic_current_count(); }

/* Says a counter, and the two readings of the TSC it lies between: the closest of a few tries. */
static void say_counter(const char *key, const char *from, const char *to, u64 (*read)(void))
{
    u64 value = 0, before = 0, after = ~0ull;

    for (u32 i = 0; i < READ_AGAIN; i++) {
        u64 start = rdtsc(), now = read(), end = rdtsc();
        if (end - start < after - before) {
            value = now;
            before = start;
            after = end;
        }
    }
    statement_hex(key, value);
    statement_hex(from, before);
    statement_hex(to, after);
}

void timers_say_when_due(void)
{
    if (cpu_at(0)->ticks - timers.said_at >= TICKS_A_STATEMENT)
        timers_say();
}

void timers_say(void)
{
    if (!timers.wanted)
        return;
    timers.said_at = cpu_at(0)->ticks;
    statement_begin("timers");
    statement_hex("ticks", timers.said_at);
    if (timers_drive(TIMER_HPET)) {
        if (timers.hpet_interrupts)
            statement_hex("hpets", timers.hpet);
        say_counter("hpet", "hpet0", "hpet1", hpet_counter);
    }
    if (timers_drive(TIMER_PIT)) {
        statement_hex("pits", timers.pit);
        say_counter("pit", "pit0", "pit1", pit_counter);
    }
    if (timers_drive(TIMER_RTC))
        statement_hex("rtcs", timers.rtc);
    if (timers_drive(TIMER_PM))
        say_counter("pm", "pm0", "pm1", pm_counter);
    say_counter("apic", "apic0", "apic1", apic_counter);
    statement_end();
}
