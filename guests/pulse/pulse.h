/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of pulse know of each other. */
#ifndef PULSE_H
#define PULSE_H

#include "arch.h"
#include "layout.h"

#define PAGE         4096u
#define TICKS_PER_S  100u
#define TICK_NS      (1000000000u / TICKS_PER_S)
#define GENERAL      16  /* slots of the general register canary: registers, then flags */
#define FPU_BYTES    832 /* legacy area 512, header 64, AVX state 256 (SDM 1, 13.4) */
#define WATCHED_MAX  80

/* What other vCPUs may read about one, as it was when it last woke. Under the clock's lock. */
struct published {
    u64 tsc;
    u32 ticks, gen, cur;
};

/* The pages of one vCPU: indices [first, first + count). Pages below `cur` hold `gen`, the others `gen - 1`. */
struct share {
    u32 first, count;
    u32 gen, cur;
    u32 zero, zero_before; /* of 16 pages, how many are zero pages in `gen`, and in `gen - 1` */
    u32 credit;            /* hundredths of a page, times the number of vCPUs */
    volatile u32 wrote, bad;
};

/* One block for each vCPU; the rest of its CPU_BLOCK is its stack. */
struct cpu {
    u8 fpu_found[FPU_BYTES] __attribute__((aligned(64)));
    u8 fpu_expected[FPU_BYTES] __attribute__((aligned(64)));
    u8 fault_stack[1024] __attribute__((aligned(16))); /* for double faults, 64-bit only */
    u32 index, apic_id;
    volatile bool dead; /* it trapped */
    volatile u32 ticks; /* written by the timer interrupt only */
    u32 ticks_seen, registers_checked_at;
    volatile u32 regs, warps;
    u64 tsc;                              /* its last reading */
    u64 tick_tsc, tsc_per_tick;
    u32 tick_seen;
    struct published published;
    struct share share;
    u64 window; /* 32-bit: which 2 MiB above the identity map its window shows */
    volatile u32 verify_round;
    u32 verified_pages, verified_bad;
    word general_expected[GENERAL], general_found[GENERAL];
    u64 watched_expected[WATCHED_MAX];
    bool watched[WATCHED_MAX];
};

struct lock {
    volatile u32 held;
};

static inline void acquire(struct lock *lock)
{
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE))
        while (lock->held)
            pause();
}

static inline void release(struct lock *lock) { __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE); }

extern u8 cpu_blocks[];
extern u32 cpu_count;

static inline struct cpu *cpu_at(u32 index) { return (struct cpu *)(cpu_blocks + index * CPU_BLOCK); }

/* The stack pointer is inside the vCPU's own block. */
static inline struct cpu *this_cpu(void)
{
    word sp;
    __asm__("mov %%" SP_NAME ", %0" : "=r"(sp));
    return (struct cpu *)(sp & ~(word)(CPU_BLOCK - 1));
}

/* options.c: the multiboot command line and what the host may set. */
extern struct options {
    volatile u32 rate, duty, zero;
    volatile u32 flip; /* a bit for each mode: flip.h */
} options;
bool options_parse(const char *words);
bool options_hex(const char **text, u32 *value);

/* multiboot.c */
bool multiboot_options(void);
void multiboot_each_range(void (*use)(u64 start, u64 end));

/* features.c */
extern struct features {
    bool nx, lm, sep, mtrr, pat, rdtscp, avx, rtc;
} features;
void features_find(void);
const char *features_text(void);

/* apic.c */
void apic_start(void);
void apic_route_serial(u32 apic_id);
void apic_route(u32 pin, u32 vector, u32 apic_id);
u32 apic_current_count(void);
void apic_end_of_interrupt(void);
void apic_start_others(u8 page);
void apic_start_again(u8 page);
bool apic_tick_passed(void);
void apic_wake_others(void);
void apic_wake(u32 apic_id);
u32 apic_id(void);
u32 apic_read(u32 offset);
void apic_write(u32 offset, u32 value);
u32 ioapic_read(u8 index);

/* smp.c */
u32 smp_count(void);
void smp_start_others(void);
void smp_report_up(void);
void smp_go(void);
void smp_forget(void);

/* interrupts.c */
void interrupts_build(void);
void interrupts_load(struct cpu *cpu);
struct frame;
void interrupt(const struct frame *frame);

/* serial.c */
void serial_start(void);
void serial_write(const char *text, u32 length);
void serial_receive(void);
bool serial_pending(void);
bool serial_line(char *line, u32 size);

/* statement.c: begin, any number of values, end. */
void statement_begin(const char *kind);
void statement_begin_trapped(const char *kind);
void statement_hex(const char *key, u64 value);
void statement_text(const char *key, const char *value);
void statement_end(void);
u32 crc32(const char *data, u32 bytes);

/* memory.c: which pages there are, and where. */
extern u32 page_count;
void memory_find(void);
void memory_share_out(void);
u64 page_address(u32 index);
void *page_map(struct cpu *cpu, u64 address);

/* pages.c: what they hold. */
void pages_first_sweep(struct cpu *cpu, void (*poll)(struct cpu *));
void pages_dirty(struct cpu *cpu);
void pages_verify(struct cpu *cpu, void (*poll)(struct cpu *));
void pages_reset_statements(void);

/* clock.c */
void clock_observe(struct cpu *cpu);
void clock_forget(void);
bool clock_has_rtc(void);
void clock_read_rtc(void);
const char *clock_rtc(void);
void clock_start_rtc(u8 rate);
void clock_hush_rtc(void);
struct published clock_published(const struct cpu *cpu);

/* canary.c, fpu.c, watched.c */
void register_differs(struct cpu *cpu, const char *name, u64 found, u64 expected);
void canary_plant(struct cpu *cpu);
void canary_wait(struct cpu *cpu);
void fpu_plant(struct cpu *cpu);
void fpu_check(struct cpu *cpu);
void watched_plant(struct cpu *cpu);
void watched_check(struct cpu *cpu);
u64 pattern(u32 cpu, u32 n);

/* verify.c: rounds in which every vCPU checks its own pages. */
bool verify_ask(u32 id);
bool verify_wanted(const struct cpu *cpu);
void verify_take_part(struct cpu *cpu, void (*poll)(struct cpu *));
bool verify_finished(void);
void verify_answer(void);

/* flip.c: the modes of the CPU, in turn. */
u32 flip_reserve(void);
bool flip_possible(u32 modes);
void flip_build(void);
void flip_plant(struct cpu *cpu);
void flip_wait(struct cpu *cpu);
void flip_called(void);
void flip_report(const struct cpu *boot);

/* timers.c: on the boot vCPU only. */
enum timer { TIMER_PIT = 1, TIMER_HPET = 2, TIMER_RTC = 4, TIMER_PM = 8, TIMERS = 15 };
bool timers_choose(u32 wanted);
bool timers_drive(enum timer timer);
void timers_start(u32 apic_id);
void timers_interrupt(u32 vector);
void timers_say(void);
void timers_say_when_due(void);

/* acpi.c: what the firmware says of power. */
extern struct acpi {
    bool sleeps;
    u8 sleep_type;
    u16 control, panic_port; /* ports; 0 where there is none */
    u32 facs;
} acpi;
void acpi_find(void);
void acpi_restore(void);

/* power.c: off, asleep, panicked; and awake again. */
enum ending { GO_ON, SUSPEND, OFF, PANIC };
bool power_ask(u32 id, enum ending how);
bool power_wanted(const struct cpu *cpu);
_Noreturn void power_leave(struct cpu *cpu);
void power_let_in(void);
void power_say_woken(void);

/* pci.c */
u16 pci_find(u16 vendor, u16 device);

/* storage.c: what is written on the disk, and read back; on the boot vCPU only. */
void storage_find(void);
const char *storage_feature(void);
void storage_work(const struct cpu *boot);
bool storage_wanted(void);
bool storage_ask(u32 id, const char *rate);

/* command.c, beat.c: on the boot vCPU only. */
void commands_handle(void);
void commands_refuse_options(void);
void beat_when_due(void);
void beat_now(void);

/* main.c: where boot.S goes on. */
_Noreturn void boot_main(void);
_Noreturn void boot_woken(void);
_Noreturn void ap_main(void);

#endif
