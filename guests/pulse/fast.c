/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls as a 64-bit kernel's programs make them: SYSCALL in 64 bits, and in 32 bits SYSCALL where the CPU says
 * that AMD made it, and SYSENTER where it says that Intel did. A kernel decides that once, as it boots; the other one's
 * instruction is an invalid opcode. Where a host's own processor is of another maker, its KVM has to do it by hand.
 */
#include "fast.h"
#include "cpuid.h"
#include "registers.h"

#ifdef __x86_64__
#define SYSTEM_CALLS   1u           /* EFER.SCE */
#define FLAGS_CLEARED  0x700        /* what SYSCALL takes away: TF, IF, DF */
#define INTEL          0x756e6547u  /* CPUID.0:EBX, the first four letters */
#define CENTAUR        0x746e6543u
#define HAS_SEP        (1u << 11)   /* CPUID.1:EDX */
#define HAS_SYSCALL    (1u << 11)   /* CPUID.80000001:EDX */
#define LENGTH(array)  (sizeof(array) / sizeof((array)[0]))

struct fast {
    u64 sp;
    volatile u32 arrived, back;
};
_Static_assert(offsetof(struct fast, arrived) == FAST_ARRIVED && offsetof(struct fast, back) == FAST_BACK, "fast.h");

extern const u32 fast_entries[FAST_KINDS], fast_returns[FAST_KINDS];
extern void fast_call(struct fast *to, u32 kind);

static const u32 borrowed[] = {MSR_EFER,  MSR_STAR,        MSR_LSTAR,        MSR_CSTAR,
                               MSR_SFMASK, MSR_SYSENTER_CS, MSR_SYSENTER_ESP, MSR_SYSENTER_EIP};
static u32 calls[MAX_CPUS];
static u32 in_32_bits; /* the kind that this CPU's maker has; FAST_LONG: not decided yet */

static u32 kind_in_32_bits(void)
{
    u32 maker = cpuid_value(CPUID_0_EBX);

    return maker == INTEL || maker == CENTAUR ? FAST_SYSENTER : FAST_SYSCALL;
}

static bool possible(void)
{
    return (cpuid_value(CPUID_1_EDX) & HAS_SEP) && (cpuid_value(CPUID_80000001_EDX) & HAS_SYSCALL);
}

static void make_entries(u64 efer)
{
    wrmsr(MSR_EFER, efer | SYSTEM_CALLS);
    wrmsr(MSR_STAR, (u64)SEL_CODE64 << 32);
    wrmsr(MSR_LSTAR, fast_entries[FAST_LONG]);
    wrmsr(MSR_CSTAR, fast_entries[FAST_SYSCALL]);
    wrmsr(MSR_SFMASK, FLAGS_CLEARED);
    wrmsr(MSR_SYSENTER_CS, SEL_CODE64);
    wrmsr(MSR_SYSENTER_ESP, 0);
    wrmsr(MSR_SYSENTER_EIP, fast_entries[FAST_SYSENTER]);
}

/* What it found otherwise than expected goes to `found` and `expected`. */
static bool arrives(u32 kind, u32 *found, u32 *expected)
{
    struct fast to = {.arrived = FAST_KINDS};

    fast_call(&to, kind);
    *found = to.arrived;
    *expected = kind;
    if (to.arrived != kind || kind == FAST_SYSENTER)
        return to.arrived == kind;
    *found = to.back;
    *expected = fast_returns[kind];
    return to.back == fast_returns[kind];
}

/* The MSRs that name the entries are canaries (plant.c): they are borrowed, with interrupts off, and given back. */
const char *fast_visit(const struct cpu *cpu, u32 *found, u32 *expected)
{
    u64 kept[LENGTH(borrowed)];
    const char *wrong = 0;
    word flags;

    if (!in_32_bits) {
        if (!possible())
            return 0;
        in_32_bits = kind_in_32_bits();
    }
    __asm__ volatile("pushf; pop %0; cli" : "=r"(flags)::"memory");
    for (u32 i = 0; i < LENGTH(borrowed); i++)
        kept[i] = rdmsr(borrowed[i]);
    make_entries(kept[0]);
    if (!arrives(FAST_LONG, found, expected))
        wrong = "syscall";
    else if (!arrives(in_32_bits, found, expected))
        wrong = in_32_bits == FAST_SYSENTER ? "sysenter" : "syscall32";
    for (u32 i = LENGTH(borrowed); i--;)
        wrmsr(borrowed[i], kept[i]);
    __asm__ volatile("push %0; popf" ::"r"(flags) : "memory", "cc");
    if (!wrong)
        calls[cpu->index] += 2;
    return wrong;
}

u32 fast_calls(u32 index) { return calls[index]; }
#endif
