/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `flip=`: where a vCPU would halt, it goes to another mode instead, and waits for the next interrupt there. The modes
 * take turns, so each has its share of the time. What the vCPU can see of its mode is checked all the while (flip16.S).
 */
#include "fast.h"
#include "flip.h"
#include "pulse.h"
#include "registers.h"

#define STATEMENTS_MAX   16
#define TICKS_A_REPORT   4
#define SPINS_EVERY      4 /* of so many visits to a mode, in one the vCPU does not halt */
#define ALL_64_KIB       0x00009b000000ffffull /* code with 16 bits; ... */
#define DATA_64_KIB      0x000093000000ffffull /* ... data, with a stack of 16 bits */
#define TSS_AVAILABLE    0x0000890000000067ull
#define INTERRUPT_GATE   0x8e00u
#define OPEN_GATE        0xee00u /* virtual-8086 mode, of privilege 3, may come in (SDM 3A, 20.3.3) */
#define NEAR_CANARY      300     /* numbers for pattern() that nobody else uses */
#define FAR_CANARY       301
#define FIRST_REGISTER   302

struct pointer {
    u16 limit;
    u64 base;
    u8 rest[6];
} __attribute__((packed));

struct area {
    u64 gdt[FLIP_GDT];
    u32 tss[26];
    u64 unused;
    u64 sp;
    struct pointer old_gdt, old_idt, table, idt, ivt;
    u32 self, cr0, tr, segment;
    volatile u32 arrived, exception, halt, leave_sp, check, failed, found, calls;
    u32 far_at;
    volatile u32 loops;
    u32 woken; /* what `hlt` is followed by where interrupts are pulse's own */
    u32 near;
    volatile u32 expected[CHECKS];
    u32 far;
    u32 turn, visits[MODES], bad;
};

#define AT(member, offset) _Static_assert(offsetof(struct area, member) == (offset), #member)
AT(tss, AREA_TSS);
AT(sp, AREA_SP);
AT(old_gdt, AREA_OLD_GDT);
AT(old_idt, AREA_OLD_IDT);
AT(table, AREA_GDT);
AT(idt, AREA_IDT);
AT(ivt, AREA_IVT);
AT(self, AREA_SELF);
AT(segment, AREA_SEGMENT);
AT(arrived, AREA_ARRIVED);
AT(calls, AREA_CALLS);
AT(far_at, AREA_FAR_AT);
AT(loops, AREA_LOOPS);
AT(woken, AREA_WOKEN);
AT(near, AREA_NEAR);
AT(expected, AREA_EXPECTED);
_Static_assert(sizeof(struct area) < MONITOR_TOP - 0x200, "stacks follow");

static const char *const mode_names[MODES] = {"real", "prot", "v86", "compat",
#ifdef __x86_64__
                                              "long"};
#define MODES_HERE 0x1f
#else
                                              "paged"};
#define MODES_HERE 0x17
#endif
static const char *const check_names[CHECKS] = {"msw", "cs",  "ds",  "es",  "ss",  "fs",  "flags",
                                                "near", "far", "ebx", "edx", "ebp", "edi", "calls"};

extern const u8 flip16_begin[], flip16_end[], flip_stubs[], at_called[], at_stubs[];
extern u64 gdt[];
extern void flip_trip(struct area *area, u32 mode);

static u64 idt[256] __attribute__((aligned(8)));
static volatile u32 far_canaries[MAX_CPUS]; /* above 1 MiB */
static volatile u32 statements;
static bool decided, reserved;
static u32 reported_at; /* ticks */

static struct area *area_of(const struct cpu *cpu) { return (struct area *)(word)(FLIP_AREAS + cpu->index * PAGE); }

/* Bytes of low memory behind the trampoline that are not owned, but used here. Asked before the first page is. */
u32 flip_reserve(void)
{
    decided = true;
    reserved = options.flip;
    return reserved ? (1 + MAX_CPUS) * PAGE : 0;
}

/* A guest that did not keep the low memory cannot begin to flip. */
bool flip_possible(u32 modes) { return reserved || !decided || !modes; }

void flip_build(void)
{
    u32 *ivt = (u32 *)FLIP_LOW;
    u8 *to = (u8 *)FLIP_LOW + FLIP_CODE;

    if (!reserved)
        return;
    for (const u8 *from = flip16_begin; from < flip16_end; from++)
        *to++ = *from;
    for (u32 vector = 0; vector < 256; vector++) {
        u32 stub = (u32)(word)flip_stubs + vector * STUB_BYTES;
        u32 gate = vector == VECTOR_CALL || vector == VECTOR_LEAVE ? OPEN_GATE : INTERRUPT_GATE;
        idt[vector] = (u64)((stub & 0xffff0000) | gate) << 32 | SEL_CODE32 << 16 | (stub & 0xffff);
        ivt[vector] = FLIP_SEGMENT << 16 | ((u32)(word)at_stubs + 8 * vector);
    }
}

static u64 based(u64 descriptor, u32 base)
{
    return descriptor | (u64)(base & 0xffffff) << 16 | (u64)(base >> 24) << 56;
}

static struct pointer pointer_to(u32 base, u16 limit) { return (struct pointer){.limit = limit, .base = base}; }

void flip_plant(struct cpu *cpu)
{
    struct area *area = area_of(cpu);
    u32 self = (u32)(word)area;

    if (!reserved)
        return;
    for (u32 i = 0; i < PAGE / sizeof(u32); i++)
        ((volatile u32 *)area)[i] = 0;
    for (u32 i = 0; i <= SEL_CODE64 >> 3; i++)
        area->gdt[i] = gdt[i];
    area->gdt[SEL_FLIP_CODE >> 3] = based(ALL_64_KIB, FLIP_LOW);
    area->gdt[SEL_AREA >> 3] = based(DATA_64_KIB, self);
    area->gdt[SEL_SHIFTED >> 3] = based(DATA_64_KIB, self + SHIFT);
    area->gdt[SEL_FLIP_TSS >> 3] = based(TSS_AVAILABLE, self + AREA_TSS);
    area->tss[1] = self + MONITOR_TOP; /* ESP0 and SS0 (SDM 3A, figure 8-2) */
    area->tss[2] = SEL_DATA;
    area->table = pointer_to(self, sizeof area->gdt - 1);
    area->idt = pointer_to((u32)(word)idt, sizeof idt - 1);
    area->ivt = pointer_to(FLIP_LOW, 256 * 4 - 1);
    area->self = self;
    area->segment = self >> 4;
    area->near = (u32)pattern(cpu->index, NEAR_CANARY);
    area->far = far_canaries[cpu->index] = (u32)pattern(cpu->index, FAR_CANARY);
    for (u32 i = CHECK_EBX; i <= CHECK_EDI; i++)
        area->expected[i] = (u32)pattern(cpu->index, FIRST_REGISTER + i);
}

/* What flip16.S shall find in a mode; the registers are the same in all. */
static void expect(struct area *area, u32 index, u32 mode)
{
    bool segments = mode == MODE_REAL || mode == MODE_V86;

    area->expected[CHECK_STATUS] = ((u32)read_cr0() & 0xffff) - (mode == MODE_REAL);
    area->expected[CHECK_CS] = segments ? FLIP_SEGMENT : SEL_FLIP_CODE;
    area->expected[CHECK_DS] = segments ? area->segment : SEL_AREA;
    area->expected[CHECK_ES] = segments ? area->segment + (SHIFT >> 4) : SEL_SHIFTED;
    area->expected[CHECK_SS] = segments ? area->segment : mode == MODE_COMPATIBLE ? SEL_DATA : SEL_AREA;
    area->expected[CHECK_FS] = mode == MODE_V86 ? area->segment : SEL_DATA;
    area->expected[CHECK_FLAGS] = mode == MODE_V86 ? FLAGS_V86 & FLAGS_CHECKED : 0;
    area->expected[CHECK_NEAR] = area->near;
    area->expected[CHECK_FAR] = area->far;
    area->far_at = mode == MODE_V86 ? (u32)offsetof(struct area, far) : (u32)(word)&far_canaries[index];
}

static void say(const struct cpu *cpu, u32 mode, const char *what, u32 found, u32 expected)
{
    if (__atomic_fetch_add(&statements, 1, __ATOMIC_RELAXED) >= STATEMENTS_MAX)
        return;
    statement_begin("mode");
    statement_hex("cpu", cpu->index);
    statement_text("name", mode_names[mode]);
    statement_text("text", what);
    statement_hex("found", found);
    statement_hex("expected", expected);
    statement_end();
}

/* From compatibility mode a program makes its system calls: that is tried as well. */
static void call(const struct cpu *cpu, struct area *area, u32 mode)
{
#ifdef __x86_64__
    u32 found, expected;
    const char *wrong = mode == MODE_COMPATIBLE ? fast_visit(cpu, &found, &expected) : 0;

    if (!wrong)
        return;
    say(cpu, mode, wrong, found, expected);
    area->bad++;
#else
    (void)cpu, (void)area, (void)mode;
#endif
}

static void account(const struct cpu *cpu, struct area *area, u32 mode)
{
    if (area->exception)
        say(cpu, mode, "exception", area->exception & 0xff, area->found);
    else if (area->failed)
        say(cpu, mode, check_names[area->check], area->found, area->expected[area->check]);
    if (area->exception || area->failed)
        area->bad++;
    else
        area->visits[mode]++;
}

/* Segment registers' bases went with them; in 64 bits two of them are canaries. */
static void trip(struct area *area, u32 mode)
{
#ifdef __x86_64__
    u64 fs = rdmsr(MSR_FS_BASE), gs = rdmsr(MSR_GS_BASE);
    flip_trip(area, mode);
    wrmsr(MSR_FS_BASE, fs);
    wrmsr(MSR_GS_BASE, gs);
#else
    flip_trip(area, mode);
#endif
}

/* The interrupt that ended the visit is in service still: its own handler ends it. */
static void take(u32 vector)
{
    switch (vector) {
    case VECTOR_TIMER: __asm__ volatile("int %0" ::"i"(VECTOR_TIMER) : "memory"); break;
    case VECTOR_WAKE: __asm__ volatile("int %0" ::"i"(VECTOR_WAKE) : "memory"); break;
    case VECTOR_SERIAL: __asm__ volatile("int %0" ::"i"(VECTOR_SERIAL) : "memory"); break;
    case VECTOR_PIT: __asm__ volatile("int %0" ::"i"(VECTOR_PIT) : "memory"); break;
    case VECTOR_HPET: __asm__ volatile("int %0" ::"i"(VECTOR_HPET) : "memory"); break;
    case VECTOR_RTC: __asm__ volatile("int %0" ::"i"(VECTOR_RTC) : "memory"); break;
    default: break;
    }
}

static void visit(struct cpu *cpu, struct area *area, u32 mode)
{
    bool own_interrupts = mode == MODE_COMPATIBLE; /* they are not taken down: any wakes it, and is over then */

    expect(area, cpu->index, mode);
    area->exception = area->failed = 0;
    area->expected[CHECK_CALLS] = area->calls;
    area->arrived = 0;
    area->woken = own_interrupts;
    area->halt = own_interrupts || mode == MODE_V86 || area->visits[mode] % SPINS_EVERY;
    trip(area, mode);
    account(cpu, area, mode);
    call(cpu, area, mode);
    if (!own_interrupts)
        take(area->arrived);
}

/* Waits for an interrupt like canary_wait, which is what the vCPU's own mode does. */
void flip_wait(struct cpu *cpu)
{
    struct area *area = area_of(cpu);
    u32 modes = options.flip & MODES_HERE;

    if (!modes) {
        canary_wait(cpu);
        return;
    }
    do
        area->turn = (area->turn + 1) % MODES;
    while (!(modes >> area->turn & 1));
    if (area->turn != MODE_OWN) {
        visit(cpu, area, area->turn);
        return;
    }
    canary_wait(cpu);
    area->visits[MODE_OWN]++;
}

/* `int VECTOR_CALL` in compatibility mode. */
void flip_called(void)
{
    struct area *area = area_of(this_cpu());
    area->calls = area->calls + 1;
}

/* What all vCPUs did, now and then. */
void flip_report(const struct cpu *boot)
{
    u32 visits[MODES] = {0}, checks = 0, bad = 0, fast = 0;

    if (!reserved || boot->ticks - reported_at < TICKS_A_REPORT)
        return;
    reported_at = boot->ticks;
    for (u32 i = 0; i < cpu_count; i++) {
        const struct area *area = area_of(cpu_at(i));
        for (u32 mode = 0; mode < MODES; mode++)
            visits[mode] += area->visits[mode];
        checks += area->loops;
        bad += area->bad;
#ifdef __x86_64__
        fast += fast_calls(i);
#endif
    }
    statement_begin("modes");
    statement_hex("flip", options.flip & MODES_HERE);
    for (u32 mode = 0; mode < MODES; mode++)
        if (MODES_HERE >> mode & 1)
            statement_hex(mode_names[mode], visits[mode]);
    statement_hex("checks", checks);
    statement_hex("fast", fast);
    statement_hex("bad", bad);
    statement_end();
}
