/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Canaries: values in every register that a program has, looked at after a while. While the thread sleeps its kernel keeps
 * them; while it spins they are in the vCPU itself, and nowhere else, when a migration stops it there.
 */
#define _GNU_SOURCE
#include "agent.h"
#include "canary.h"

#include <asm/prctl.h>
#include <cpuid.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define AREA            8192  /* bytes of a save area: all components up to PKRU */
#define TURNS           20000 /* of the loop in which nothing is touched: some 50 us */
#define STATEMENTS_MAX  16    /* of one look */
#define COMPONENTS_SEEN 0x2e7 /* x87, SSE, AVX, AVX-512's three, PKRU: Intel's manual, volume 1, 13.1 */
#define FIRST_EXTENDED  2

#ifdef __x86_64__
#define XMMS 16
static const u32 over_call[] = {3, 5, 8, 9, 12, 13, 14, 15}; /* registers that a system call neither takes nor changes */
static const char *const gpr[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                  "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
#else
#define XMMS 8
static const u32 over_call[] = {5, 7};
static const char *const gpr[] = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
#endif
#define GPRS (sizeof gpr / sizeof *gpr)
#define RSP  4

struct hold {
    u64 gpr[16], found[16];
    u64 mask, turns;
    u64 given, taken, own; /* addresses */
};
_Static_assert(offsetof(struct hold, found) == HOLD_FOUND && offsetof(struct hold, mask) == HOLD_MASK &&
               offsetof(struct hold, turns) == HOLD_TURNS && offsetof(struct hold, given) == HOLD_GIVEN &&
               offsetof(struct hold, taken) == HOLD_TAKEN && offsetof(struct hold, own) == HOLD_OWN, "hold.S has it so");
void canary_hold(struct hold *hold);

/* FXSAVE's part of a save area. */
struct legacy {
    uint16_t fcw, fsw;
    u8 ftw, reserved;
    uint16_t fop;
    u64 ip, dp;
    u32 mxcsr, mxcsr_mask;
    struct {
        u64 mantissa;
        uint16_t exponent, reserved[3];
    } st[8];
    u64 xmm[16][2];
    u8 rest[96];
};
struct area {
    struct legacy legacy;
    u64 present, compacted, reserved[6]; /* XSAVE's header */
    u8 extended[AREA - 576];
} __attribute__((aligned(64)));

struct look {
    struct vcpu *vcpu;
    const char *during;
    u32 number; /* of the register looked at: each has a value of its own */
    u32 said;
    struct hold hold;
};
static struct area given[MAX_CPUS], taken[MAX_CPUS], own[MAX_CPUS];

static u64 value(const struct look *look)
{
    return (u64)(look->vcpu->index + 1) << 56 | (u64)(look->number & 0xffff) << 40 | look->vcpu->regs;
}

static void expect(struct look *look, const char *name, u64 found, u64 expected)
{
    if (found == expected || look->said++ >= STATEMENTS_MAX)
        return;
    statement_begin("register");
    statement_hex("cpu", look->vcpu->index);
    statement_text("name", name);
    statement_hex("found", found);
    statement_hex("expected", expected);
    statement_text("during", look->during);
    statement_end();
}

/* The `word`th 8 bytes of a register; of one that has no more, that is not said. */
static void expect_word(struct look *look, const char *kind, u32 n, u32 word, u32 words, const u64 pair[2])
{
    char name[24];

    snprintf(name, sizeof name, words > 1 ? "%s%u[%u]" : "%s%u", kind, n, word);
    expect(look, name, pair[0], pair[1]);
}

/* The extended components: how many registers, of how many words, called what. */
static const struct component {
    u32 number;
    const char *name;
    u32 first, count, words;
} extended[] = {
    {2, "ymmh", 0, XMMS, 2}, {5, "k", 0, 8, 1}, {6, "zmmh", 0, 16, 4}, {7, "zmm", 16, 16, 8},
};
#define PKRU 9

struct feature {
    u64 mask;
    u32 offset[10];
};

static void extended_features(struct feature *feature)
{
    u32 a, b, c, d, low, high;

    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    feature->mask = low & COMPONENTS_SEEN;
    for (u32 n = FIRST_EXTENDED; n < 10; n++) {
        __cpuid_count(0xd, n, a, b, c, d);
        feature->offset[n] = b;
        if (b + a > AREA)
            feature->mask &= ~(1ull << n);
    }
}

/* What the first vCPU can do, all can. */
static const struct feature *features(void)
{
    static struct feature feature;
    static bool known;
    u32 a, b, c, d;

    if (!known && __get_cpuid(1, &a, &b, &c, &d) && c & bit_OSXSAVE)
        extended_features(&feature);
    known = true;
    return &feature;
}

static u64 *extended_at(struct area *area, const struct component *component)
{
    return (u64 *)((u8 *)area + features()->offset[component->number]);
}

/* All exceptions masked, or a flag would be a trap; what else is in the control words changes from look to look. */
static void fill_legacy(struct look *look, struct legacy *legacy)
{
    u32 turn = look->vcpu->regs;
    bool mmx = turn & 1; /* as MMX leaves the x87 stack */

    legacy->fcw = (uint16_t)(0x37f | (turn & 3) << 10);
    legacy->fsw = (uint16_t)((mmx ? 0 : (turn & 7) << 11) | (turn & 0x3f) | 0x4500);
    legacy->ftw = 0xff;
    legacy->mxcsr = 0x1f80 | (turn & 3) << 13 | (turn & 0x3f) | (turn & 4 ? 0x8040 : 0);
    for (u32 n = 0; n < 8; n++, look->number++) {
        legacy->st[n].mantissa = value(look) | (mmx ? 0 : 1ull << 63);
        legacy->st[n].exponent = (uint16_t)(mmx ? 0xffff : 0x3fff + n);
    }
    for (u32 n = 0; n < 2 * XMMS; n++, look->number++)
        legacy->xmm[n / 2][n % 2] = value(look);
}

static void fill(struct look *look)
{
    struct area *area = &given[look->vcpu->index];
    u64 mask = features()->mask;

    look->number = 0;
    for (u32 n = 0; n < GPRS; n++, look->number++)
        look->hold.gpr[n] = value(look);
    fill_legacy(look, &area->legacy);
    area->present = mask;
    for (u32 i = 0; i < sizeof extended / sizeof *extended; i++)
        for (u32 n = 0; mask >> extended[i].number & 1 && n < extended[i].count * extended[i].words; n++, look->number++)
            extended_at(area, &extended[i])[n] = value(look);
    if (mask >> PKRU & 1) /* key 0 is everybody's */
        *(u32 *)((u8 *)area + features()->offset[PKRU]) = look->vcpu->regs << 2;
}

static void look_at_legacy(struct look *look)
{
    const struct legacy *had = &given[look->vcpu->index].legacy, *has = &taken[look->vcpu->index].legacy;

    expect(look, "fcw", has->fcw, had->fcw);
    expect(look, "fsw", has->fsw, had->fsw);
    expect(look, "ftw", has->ftw, had->ftw);
    expect(look, "mxcsr", has->mxcsr, had->mxcsr);
    for (u32 n = 0; n < 8; n++) {
        expect_word(look, "st", n, 0, 2, (u64[]){has->st[n].mantissa, had->st[n].mantissa});
        expect_word(look, "st", n, 1, 2, (u64[]){has->st[n].exponent, had->st[n].exponent});
    }
    for (u32 n = 0; n < 2 * XMMS; n++)
        expect_word(look, "xmm", n / 2, n % 2, 2, (u64[]){has->xmm[n / 2][n % 2], had->xmm[n / 2][n % 2]});
}

static void look_at_extended(struct look *look)
{
    struct area *had = &given[look->vcpu->index], *has = &taken[look->vcpu->index];
    u32 at = features()->offset[PKRU];

    for (u32 i = 0; i < sizeof extended / sizeof *extended; i++) {
        const struct component *one = &extended[i];
        if (!(features()->mask >> one->number & 1))
            continue;
        const u64 *found = extended_at(has, one), *expected = extended_at(had, one);
        for (u32 n = 0; n < one->count * one->words; n++)
            expect_word(look, one->name, one->first + n / one->words, n % one->words, one->words,
                        (u64[]){found[n], expected[n]});
    }
    if (features()->mask >> PKRU & 1)
        expect(look, "pkru", *(u32 *)((u8 *)has + at), *(u32 *)((u8 *)had + at));
}

#ifdef __x86_64__
/* FS is the C library's, GS nobody's. Both are read from the registers: arch/x86/kernel/process_64.c. */
static u64 base(int code)
{
    u64 address = 0;

    syscall(SYS_arch_prctl, code, &address);
    return address;
}

static void look_at_bases(struct look *look)
{
    struct vcpu *vcpu = look->vcpu;

    if (!vcpu->fs_base) {
        vcpu->fs_base = base(ARCH_GET_FS);
        syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)vcpu);
    }
    expect(look, "fs base", base(ARCH_GET_FS), vcpu->fs_base);
    expect(look, "gs base", base(ARCH_GET_GS), (uintptr_t)vcpu);
}
#else
static void look_at_bases(struct look *look) { (void)look; }
#endif

static void hold(struct look *look)
{
    u32 index = look->vcpu->index;

    look->hold.mask = features()->mask;
    look->hold.given = (uintptr_t)&given[index];
    look->hold.taken = (uintptr_t)&taken[index];
    look->hold.own = (uintptr_t)&own[index];
    canary_hold(&look->hold);
    look_at_legacy(look);
    look_at_extended(look);
    look->vcpu->regs++;
}

static void expect_gpr(struct look *look, u32 n)
{
    u64 low = sizeof(void *) == 8 ? ~0ull : 0xffffffff;

    if (n != RSP)
        expect(look, gpr[n], look->hold.found[n] & low, look->hold.gpr[n] & low);
}

void canary_sleep(struct vcpu *vcpu, u64 until_ns)
{
    struct look look = {.vcpu = vcpu, .during = "sleep"};
    struct {
        int64_t seconds, nanoseconds;
    } until = {(int64_t)(until_ns / 1000000000), (int64_t)(until_ns % 1000000000)};
    u64 *set = look.hold.gpr;

    fill(&look);
#ifdef __x86_64__
    set[0] = SYS_clock_nanosleep, set[7] = CLOCK_MONOTONIC, set[6] = TIMER_ABSTIME, set[2] = (uintptr_t)&until, set[10] = 0;
#else
    set[0] = SYS_clock_nanosleep_time64, set[3] = CLOCK_MONOTONIC, set[1] = TIMER_ABSTIME, set[2] = (uintptr_t)&until;
    set[6] = 0;
#endif
    hold(&look);
    for (u32 i = 0; i < sizeof over_call / sizeof *over_call; i++)
        expect_gpr(&look, over_call[i]);
    look_at_bases(&look);
}

void canary_spin(struct vcpu *vcpu, u32 microseconds)
{
    struct look look = {.vcpu = vcpu, .during = "spin"};
    u64 end = monotonic_ns() + microseconds * 1000ull;

    while (monotonic_ns() < end) {
        fill(&look);
        look.hold.turns = TURNS;
        look.said = 0;
        hold(&look);
        for (u32 n = 0; n < GPRS; n++)
            expect_gpr(&look, n);
    }
}
