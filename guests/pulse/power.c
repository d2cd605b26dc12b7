/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a guest ends, or goes to sleep and comes back. The boot vCPU is told; then every other vCPU comes to the one
 * place where it holds nothing, and stays; then the boot vCPU says that it leaves, and does. What happens later is
 * the firmware's: after sleep it resets the machine and jumps to the waking vector (ACPI 6.5, 16.3.2), and each
 * vCPU begins anew with the memory it had.
 */
#include "pulse.h"

#define SLEEP_ENABLE (1u << 13) /* ACPI 6.5, 4.8.3.2.1: PM1 control */
#define SLEEP_TYPE   10
#define OFF_TYPE     0          /* \_S5 of QEMU (10.0, hw/acpi/core.c, acpi_pm1_cnt_write) */
#define WAKING_VECTOR 12        /* ACPI 6.5, table 5.12: FACS */
#define PANICKED     1          /* QEMU, docs/specs/pvpanic.rst */
#define LINGER_TICKS 50

extern const u8 waker_begin[], waker_end[], late_begin[], late_end[];
extern u8 image_start[], image_end[];

static volatile u32 parked;
static volatile enum ending wanted_ending;
static u32 id, done_id;
static enum ending done_ending;

static const char *const names[] = {"none", "suspend", "off", "panic"};

static void say(const char *kind, u32 about, enum ending how)
{
    beat_now();
    statement_begin(kind);
    statement_hex("id", about);
    statement_text("text", names[how]);
    statement_end();
}

static bool able(enum ending how)
{
    if (how == SUSPEND && (flip_possible(1) || timers_drive(TIMERS)))
        return false; /* neither flip.c nor timers.c makes its own again after a reset */
    return how == SUSPEND ? acpi.sleeps : how == OFF ? acpi.control != 0 : acpi.panic_port != 0;
}

/* The command may come again after the guest has slept: it is answered, and not done twice. */
bool power_ask(u32 asked, enum ending how)
{
    if (!able(how))
        return false;
    if (done_ending == how && done_id == asked)
        say("left", asked, how);
    else if (!wanted_ending) {
        id = asked;
        wanted_ending = how;
        apic_wake_others();
    }
    return true;
}

bool power_wanted(const struct cpu *cpu)
{
    u32 others = 0;

    if (!wanted_ending || cpu->index)
        return wanted_ending;
    for (u32 i = 1; i < cpu_count; i++)
        others += !cpu_at(i)->dead;
    return __atomic_load_n(&parked, __ATOMIC_ACQUIRE) >= others;
}

static void copy(volatile u8 *to, const u8 *from, const u8 *end)
{
    while (from < end)
        *to++ = *from++;
}

/* Nothing of what this vCPU does after it will be remembered: the copy is what wakes. */
static void prepare_to_wake(void)
{
    copy((volatile u8 *)WAKER, waker_begin, waker_end);
    copy((volatile u8 *)LATE, late_begin, late_end);
    *(volatile u8 *)LATE_OPEN = false;
    *(volatile u32 *)(word)(acpi.facs + WAKING_VECTOR) = WAKER;
    copy(image_end, image_start, image_end);
}

static void sleep_type(u32 type)
{
    u16 control = inw(acpi.control) & (u16)~(7u << SLEEP_TYPE);
    outw(acpi.control, (u16)(control | type << SLEEP_TYPE | SLEEP_ENABLE));
}

/* Nobody may run this vCPU now. Whoever does hears of it after a time that no stop takes, and never again. */
_Noreturn static void linger(struct cpu *cpu)
{
    u32 left_at = cpu->ticks;

    enable_interrupts();
    while (cpu->ticks - left_at < LINGER_TICKS)
        halt();
    disable_interrupts();
    say("lingers", done_id, done_ending);
    halt_for_good();
}

/* At the top of a vCPU's life, where it holds no lock and nothing on its stack is needed. */
_Noreturn void power_leave(struct cpu *cpu)
{
    disable_interrupts();
    if (cpu->index) {
        __atomic_fetch_add(&parked, 1, __ATOMIC_RELEASE);
        apic_wake(cpu_at(0)->apic_id);
        halt_for_good();
    }
    done_id = id;
    done_ending = wanted_ending;
    wanted_ending = GO_ON;
    parked = 0;
    say("leaving", done_id, done_ending);
    if (done_ending == SUSPEND) {
        prepare_to_wake();
        sleep_type(acpi.sleep_type);
    } else if (done_ending == OFF)
        sleep_type(OFF_TYPE);
    else
        outb(acpi.panic_port, PANICKED);
    linger(cpu);
}

/* Whoever began at LATE instead of at the trampoline may come in. */
void power_let_in(void) { *(volatile u8 *)LATE_OPEN = true; }

/* On the boot vCPU, when all others wait to be let go. */
void power_say_woken(void)
{
    statement_begin("woken");
    statement_hex("id", done_id);
    statement_end();
}
