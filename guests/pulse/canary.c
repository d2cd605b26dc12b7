/* SPDX-License-Identifier: Apache-2.0 */
/* The general registers and flags of a vCPU that halts, and how a canary says that it changed. */
#include "pulse.h"

#define STATEMENTS_MAX 16

#ifdef __x86_64__
#define FLAGS_SLOT 15
static const char *const names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
                                    "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rflags"};
#else
#define FLAGS_SLOT 7
static const char *const names[] = {"eax", "ebx", "ecx", "edx", "esi", "edi", "ebp", "eflags"};
#endif

/* CF PF AF ZF SF DF OF, and ID; AC acts only where CR0.AM is set, which it is not (SDM 3A, 2.3 and 2.5). */
#define FLAGS_CHECKED 0x240cd5u
#define FLAG_IF       0x200u

extern void canary_halt(const word expected[], word found[]);

static volatile u32 statements;

/* Different for every vCPU and register, the same in every run: the finaliser of splitmix64 (Steele et al., 2014). */
u64 pattern(u32 cpu, u32 n)
{
    u64 z = ((u64)(cpu + 1) << 32 | (n + 1)) * 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

void register_differs(struct cpu *cpu, const char *name, u64 found, u64 expected)
{
    if (__atomic_fetch_add(&statements, 1, __ATOMIC_RELAXED) >= STATEMENTS_MAX)
        return;
    statement_begin("register");
    statement_hex("cpu", cpu->index);
    statement_text("name", name);
    statement_hex("found", found);
    statement_hex("expected", expected);
    statement_end();
}

void canary_plant(struct cpu *cpu)
{
    for (u32 i = 0; i < FLAGS_SLOT; i++)
        cpu->general_expected[i] = (word)pattern(cpu->index, i);
    cpu->general_expected[FLAGS_SLOT] = (word)pattern(cpu->index, FLAGS_SLOT) & FLAGS_CHECKED;
}

/* Halts with the canaries loaded. Interrupts are off before and after, and on in between. */
void canary_wait(struct cpu *cpu)
{
    canary_halt(cpu->general_expected, cpu->general_found);
    cpu->regs = cpu->regs + 1;
    cpu->general_found[FLAGS_SLOT] &= FLAGS_CHECKED | FLAG_IF;
    cpu->general_found[FLAGS_SLOT] ^= FLAG_IF; /* it was on, so now it is clear again */
    for (u32 i = 0; i <= FLAGS_SLOT; i++)
        if (cpu->general_found[i] != cpu->general_expected[i])
            register_differs(cpu, names[i], cpu->general_found[i], cpu->general_expected[i]);
}
