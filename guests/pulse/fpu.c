/* SPDX-License-Identifier: Apache-2.0 */
/*
 * x87, SSE and AVX registers. pulse is compiled without them, so what is loaded at the start stays there, and only
 * a look at it touches them. Layout of the areas: SDM 1, 10.5.1 (FXSAVE) and 13.4 (XSAVE).
 */
#include "pulse.h"

#define FCW         0
#define FSW         2
#define FTW         4
#define MXCSR       24
#define ST          32
#define XMM         160
#define XSTATE_BV   512
#define YMM_HIGH    576
#define COMPONENTS  7 /* x87, SSE, AVX */
#define CR4_OSXSAVE 0x40000

#ifdef __x86_64__
#define VECTORS 16
#define SAVE    "fxsave64 %0"
#define RESTORE "fxrstor64 %0"
#define XSAVE   "xsave64 %0"
#define XRSTOR  "xrstor64 %0"
#else
#define VECTORS 8
#define SAVE    "fxsave %0"
#define RESTORE "fxrstor %0"
#define XSAVE   "xsave %0"
#define XRSTOR  "xrstor %0"
#endif

typedef u8 area[FPU_BYTES];

typedef u64 anywhere __attribute__((aligned(1))); /* fields are not where their size would have them */

static void put(u8 *area, u32 at, u64 value, u64 mask)
{
    anywhere *to = (anywhere *)(area + at);
    *to = (*to & ~mask) | (value & mask);
}

static void put16(u8 *area, u32 at, u16 value) { put(area, at, value, 0xffff); }
static void put32(u8 *area, u32 at, u32 value) { put(area, at, value, 0xffffffff); }
static void put64(u8 *area, u32 at, u64 value) { put(area, at, value, ~0ull); }
static u64 get(const u8 *area, u32 at, u64 mask) { return *(const anywhere *)(area + at) & mask; }

static void save(area *to)
{
    if (features.avx)
        __asm__ volatile(XSAVE : "+m"(*to) : "a"(COMPONENTS), "d"(0));
    else
        __asm__ volatile(SAVE : "=m"(*to));
}

static void load(const area *from)
{
    if (features.avx)
        __asm__ volatile(XRSTOR ::"m"(*from), "a"(COMPONENTS), "d"(0));
    else
        __asm__ volatile(RESTORE ::"m"(*from));
}

/* Every exception masked, no exception pending; the rounding mode, the stack's top and the values differ by vCPU. */
static void compose(struct cpu *cpu)
{
    u8 *area = cpu->fpu_expected;
    u32 index = cpu->index, n = 100;

    put16(area, FCW, (u16)(0x037f | (index & 3) << 10));
    put16(area, FSW, (u16)(0x4500 | (index & 7) << 11));
    area[FTW] = 0xff; /* abridged: all eight in use */
    put32(area, MXCSR, 0x1f80 | (index & 3) << 13 | (index & 0x3f));
    for (u32 i = 0; i < 8; i++) {
        put64(area, ST + 16 * i, pattern(index, n++) | 1ull << 63); /* a normal number has its top bit set */
        put16(area, ST + 16 * i + 8, (u16)(0x3fff + i + (i & 1 ? 0x8000 : 0)));
    }
    for (u32 i = 0; i < 2 * VECTORS; i++)
        put64(area, XMM + 8 * i, pattern(index, n++));
    for (u32 i = 0; i < 2 * VECTORS; i++)
        put64(area, YMM_HIGH + 8 * i, pattern(index, n++));
    put64(area, XSTATE_BV, COMPONENTS);
}

void fpu_plant(struct cpu *cpu)
{
    if (features.avx) {
        write_cr4(read_cr4() | CR4_OSXSAVE);
        __asm__ volatile("xsetbv" ::"c"(0), "a"(COMPONENTS), "d"(0));
    }
    compose(cpu);
    load((const area *)&cpu->fpu_expected);
}

static void compare(struct cpu *cpu, const char *name, u32 at, u64 mask)
{
    u64 found = get(cpu->fpu_found, at, mask), expected = get(cpu->fpu_expected, at, mask);

    if (found == expected)
        return;
    register_differs(cpu, name, found, expected);
    put(cpu->fpu_expected, at, found, mask); /* say it once */
}

static void compare_vectors(struct cpu *cpu, char *name, u32 at, u32 word_offset)
{
    for (u32 i = 0; i < 2 * VECTORS; i++) {
        char *to = name + 3;
        if (i / 2 >= 10)
            *to++ = '1';
        *to++ = (char)('0' + i / 2 % 10);
        *to++ = '.';
        *to++ = (char)('0' + i % 2 + word_offset);
        *to = 0;
        compare(cpu, name, at + 8 * i, ~0ull);
    }
}

/* Not the last instruction's addresses and opcode: some CPUs save them only after an exception (APM 2, 11.4.4). */
void fpu_check(struct cpu *cpu)
{
    char st[] = "st0", sign[] = "st0.sign", xmm[16] = "xmm", ymm[16] = "ymm";

    save((area *)&cpu->fpu_found);
    compare(cpu, "fcw", FCW, 0xffff);
    compare(cpu, "fsw", FSW, 0xffff);
    compare(cpu, "ftw", FTW, 0xff);
    compare(cpu, "mxcsr", MXCSR, 0xffffffff);
    for (u32 i = 0; i < 8; i++) {
        st[2] = sign[2] = (char)('0' + i);
        compare(cpu, st, ST + 16 * i, ~0ull);
        compare(cpu, sign, ST + 16 * i + 8, 0xffff);
    }
    compare_vectors(cpu, xmm, XMM, 0);
    if (features.avx)
        compare_vectors(cpu, ymm, YMM_HIGH, 2);
    cpu->regs = cpu->regs + 1;
}
