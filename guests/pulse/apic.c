/* SPDX-License-Identifier: Apache-2.0 */
/* Local APIC (SDM 3A, chapter 11), I/O APIC (Intel 82093AA data sheet), and the 8259 pair, which is only silenced. */
#include "pulse.h"

#define LOCAL_APIC 0xfee00000u
#define IO_APIC    0xfec00000u

#define ID             0x020
#define TASK_PRIORITY  0x080
#define END            0x0b0
#define SPURIOUS       0x0f0
#define COMMAND_LOW    0x300
#define COMMAND_HIGH   0x310
#define LVT_TIMER      0x320
#define LVT_LINT0      0x350
#define LVT_LINT1      0x360
#define INITIAL_COUNT  0x380
#define CURRENT_COUNT  0x390
#define DIVIDE         0x3e0

#define MASKED         0x10000
#define PERIODIC       0x20000
#define BUSY           0x1000
#define ASSERT         0x4000
#define ALL_BUT_SELF   0xc0000
#define INIT           0x500
#define STARTUP        0x600
#define DIVIDE_BY_1    0xb

/*
 * The timer counts nanoseconds: hw/intc/apic.c adds initial_count << count_shift to a clock in ns (QEMU 7.2, 10.0);
 * in KVM the bus cycle is APIC_BUS_CYCLE_NS = 1 (arch/x86/kvm/lapic.h, Linux 6.1).
 */
#define TICK_COUNT     TICK_NS

/* ISA interrupts go to the pins of their number, but the timer's (QEMU 7.2, hw/i386/x86.c, gsi_handler). */
#define SERIAL_PIN     4
#define PINS           24

u32 apic_read(u32 offset) { return *(volatile u32 *)(word)(LOCAL_APIC + offset); }
void apic_write(u32 offset, u32 value) { *(volatile u32 *)(word)(LOCAL_APIC + offset) = value; }
u32 apic_id(void) { return apic_read(ID) >> 24; }
void apic_end_of_interrupt(void) { apic_write(END, 0); }

u32 ioapic_read(u8 index)
{
    *(volatile u32 *)(word)IO_APIC = index;
    return *(volatile u32 *)(word)(IO_APIC + 0x10);
}

static void ioapic_write(u8 index, u32 value)
{
    *(volatile u32 *)(word)IO_APIC = index;
    *(volatile u32 *)(word)(IO_APIC + 0x10) = value;
}

void apic_start(void)
{
    apic_write(SPURIOUS, 0x100 | VECTOR_SPURIOUS); /* bit 8: on */
    apic_write(TASK_PRIORITY, 0);
    apic_write(LVT_LINT0, MASKED); /* the firmware left the 8259 wired through here */
    apic_write(LVT_LINT1, MASKED);
    apic_write(DIVIDE, DIVIDE_BY_1);
    apic_write(LVT_TIMER, PERIODIC | VECTOR_TIMER);
    apic_write(INITIAL_COUNT, TICK_COUNT);
}

void apic_route_serial(u32 apic_id)
{
    outb(0x21, 0xff);
    outb(0xa1, 0xff);
    for (u32 pin = 0; pin < PINS; pin++)
        ioapic_write((u8)(0x10 + 2 * pin), MASKED);
    ioapic_write(0x11 + 2 * SERIAL_PIN, apic_id << 24);
    ioapic_write(0x10 + 2 * SERIAL_PIN, VECTOR_SERIAL); /* edge, high, fixed, physical */
}

static void send(u32 destination, u32 command)
{
    while (apic_read(COMMAND_LOW) & BUSY)
        pause();
    apic_write(COMMAND_HIGH, destination << 24);
    apic_write(COMMAND_LOW, command);
}

void apic_wake(u32 apic_id) { send(apic_id, ASSERT | VECTOR_WAKE); }

void apic_wake_others(void)
{
    if (cpu_count > 1)
        send(0, ALL_BUT_SELF | ASSERT | VECTOR_WAKE);
}

/* INIT, 10 ms, start-up (SDM 3A, 9.4.4.1). The virtual ones need no such rest, so the first pair goes at once. */
void apic_start_others(u8 page)
{
    send(0, ALL_BUT_SELF | ASSERT | INIT);
    send(0, ALL_BUT_SELF | ASSERT | STARTUP | page);
}

/* Whether the boot vCPU's timer has begun anew since the last question: for waits before interrupts are on. */
bool apic_tick_passed(void)
{
    static u32 before;
    u32 now = apic_read(CURRENT_COUNT);
    bool passed = now > before;

    before = now;
    return passed;
}

/* An edge, high, to one vCPU. */
void apic_route(u32 pin, u32 vector, u32 apic_id)
{
    ioapic_write((u8)(0x11 + 2 * pin), apic_id << 24);
    ioapic_write((u8)(0x10 + 2 * pin), vector);
}

u32 apic_current_count(void) { return apic_read(CURRENT_COUNT); }

/* A vCPU that runs already takes no notice of a start-up. */
void apic_start_again(u8 page) { send(0, ALL_BUT_SELF | ASSERT | STARTUP | page); }
