/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a vCPU: halt with canaries until something happens, then do this tick's share of the work. */
#include "pulse.h"

#define REGISTER_TICKS 10 /* between two looks at the registers that stay where they are */
#define RTC_TICKS      25

u32 cpu_count;

static u32 rtc_at;
static bool ready;

static bool all_swept(void)
{
    for (u32 i = 0; i < cpu_count; i++)
        if (!cpu_at(i)->dead && __atomic_load_n(&cpu_at(i)->share.gen, __ATOMIC_ACQUIRE) < 2)
            return false;
    return true;
}

static void say_ready(void)
{
    ready = true;
    statement_begin("ready");
    statement_hex("pages", page_count);
    statement_end();
}

/* What only the boot vCPU does, and must go on doing during long work. */
static void host_side(struct cpu *boot)
{
    if (boot->ticks - rtc_at >= RTC_TICKS) {
        rtc_at = boot->ticks;
        clock_read_rtc();
    }
    beat_when_due();
    flip_report(boot);
    timers_say_when_due();
    commands_handle();
    if (!ready && all_swept())
        say_ready();
    if (verify_finished())
        verify_answer();
    storage_work(boot);
}

static bool host_side_wanted(void)
{
    return serial_pending() || (!ready && all_swept()) || verify_finished() || storage_wanted();
}

/* Called in the middle of long work. */
static void poll(struct cpu *cpu)
{
    bool ticked = cpu->ticks != cpu->ticks_seen;

    if (ticked) {
        cpu->ticks_seen = cpu->ticks;
        clock_observe(cpu);
    }
    if (cpu->index == 0 && (ticked || serial_pending()))
        host_side(cpu);
}

static void tick(struct cpu *cpu)
{
    cpu->ticks_seen = cpu->ticks;
    if (cpu->ticks - cpu->registers_checked_at >= REGISTER_TICKS) {
        cpu->registers_checked_at = cpu->ticks;
        fpu_check(cpu);
        watched_check(cpu);
    }
    pages_dirty(cpu);
}

static bool wanted(const struct cpu *cpu)
{
    return cpu->ticks != cpu->ticks_seen || verify_wanted(cpu) || power_wanted(cpu) || (cpu->index == 0 && host_side_wanted());
}

_Noreturn static void live(struct cpu *cpu)
{
    for (;;) {
        disable_interrupts();
        if (!wanted(cpu))
            flip_wait(cpu);
        enable_interrupts();
        clock_observe(cpu);
        if (cpu->ticks != cpu->ticks_seen)
            tick(cpu);
        if (verify_wanted(cpu))
            verify_take_part(cpu, poll);
        if (cpu->index == 0)
            host_side(cpu);
        if (power_wanted(cpu))
            power_leave(cpu);
    }
}

static void prepare(struct cpu *cpu)
{
    interrupts_load(cpu);
    apic_start();
    fpu_plant(cpu);
    canary_plant(cpu);
    flip_plant(cpu);
    watched_plant(cpu);
}

static void say_boot(void)
{
    statement_begin("boot");
    statement_text("guest", "pulse");
    statement_hex("bits", 8 * sizeof(word));
    statement_hex("cpus", cpu_count);
    statement_hex("pages", page_count);
    statement_text("features", features_text());
    statement_hex("tick", TICK_NS);
    statement_end();
}

_Noreturn void boot_main(void)
{
    struct cpu *cpu = this_cpu();

    cpu->apic_id = apic_id();
    cpu_count = smp_count();
    serial_start();
    acpi_find();
    features_find();
    bool understood = multiboot_options();
    memory_find();
    storage_find();
    memory_share_out();
    interrupts_build();
    flip_build();
    apic_route_serial(cpu->apic_id);
    timers_start(cpu->apic_id);
    prepare(cpu);
    smp_start_others();
    say_boot();
    if (!understood)
        commands_refuse_options();
    clock_read_rtc();
    beat_now();
    timers_say();
    enable_interrupts();
    smp_go();
    pages_first_sweep(cpu, poll);
    live(cpu);
}

/* The machine was reset and the memory was not: all that is in registers is made again. */
_Noreturn void boot_woken(void)
{
    struct cpu *cpu = this_cpu();

    acpi_restore();
    serial_start();
    apic_route_serial(cpu->apic_id);
    clock_forget();
    prepare(cpu);
    smp_forget();
    smp_start_others();
    power_say_woken();
    clock_read_rtc();
    beat_now();
    enable_interrupts();
    smp_go();
    pages_first_sweep(cpu, poll);
    live(cpu);
}

_Noreturn void ap_main(void)
{
    struct cpu *cpu = this_cpu();

    prepare(cpu);
    clock_observe(cpu); /* a beat may speak of it before its first tick */
    smp_report_up();
    enable_interrupts();
    pages_first_sweep(cpu, poll);
    apic_wake(cpu_at(0)->apic_id);
    live(cpu);
}
