/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pages hold. Every 8-byte word of a page is its physical address >> 3 below, the generation above; or the
 * page is all zero. Which it is follows from the page's number, the generation, and the share's `zero` of that
 * generation, so nothing about a page is stored anywhere but in the page.
 */
#include "pulse.h"

#define WORDS          (PAGE / 8)
#define STATEMENTS_MAX 16 /* about bad pages, between two answers to `verify` */
#define POLL_PAGES     32

static volatile u32 statements;

struct content {
    u32 low, high; /* of the page's first word; the low half grows by `step` each word */
    u32 step;
};

static bool is_zero(u32 index, u32 gen, u32 zero)
{
    return ((index * 0x9e3779b1u ^ gen * 0x85ebca6bu) * 0xc2b2ae35u) >> 28 < zero;
}

static struct content content(u32 index, u64 address, u32 gen, u32 zero)
{
    if (is_zero(index, gen, zero))
        return (struct content){0, 0, 0};
    return (struct content){(u32)(address >> 3), gen, 1};
}

static u64 word_at(struct content c, u32 n) { return (u64)c.high << 32 | (c.low + n * c.step); }

/* Eight words a turn, and one branch for all of them. `step` is a constant where these are used. */
#define EIGHT(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)
#define INLINE static inline __attribute__((always_inline))

#ifdef __x86_64__
#define COMPARE(n) differences |= page[n] ^ (next + n * step);
#define STORE(n) page[n] = next + n * step;
#define FIRST(c) word_at(c, 0)
#else
#define COMPARE(n) differences |= page[2 * n] ^ (next + n * step); differences |= page[2 * n + 1] ^ c.high;
#define STORE(n) page[2 * n] = next + n * step; page[2 * n + 1] = c.high;
#define FIRST(c) (c).low
#endif
#define PER_TURN (64 / sizeof(word))

INLINE bool same(const word *page, struct content c, word step)
{
    word differences = 0, next = FIRST(c);

    for (const word *end = page + PAGE / sizeof(word); page < end; page += PER_TURN, next += 8 * step) {
        EIGHT(COMPARE)
    }
    return !differences;
}

INLINE void fill(word *page, struct content c, word step)
{
    word next = FIRST(c);

    for (const word *end = page + PAGE / sizeof(word); page < end; page += PER_TURN, next += 8 * step) {
        EIGHT(STORE)
    }
}

static bool holds(const void *page, struct content c)
{
    BARRIER(); /* the host may have written to it */
    return c.step ? same(page, c, 1) : same(page, c, 0);
}

static void write(void *page, struct content c)
{
    c.step ? fill(page, c, 1) : fill(page, c, 0);
    BARRIER();
}

static void report(struct cpu *cpu, const u64 *page, u64 address, struct content c, u32 gen, const char *during)
{
    u32 bad = 0, first = 0;
    u64 found = 0;

    for (u32 n = WORDS; n-- > 0;)
        if (page[n] != word_at(c, n)) {
            bad++;
            first = n;
            found = page[n];
        }
    if (__atomic_fetch_add(&statements, 1, __ATOMIC_RELAXED) >= STATEMENTS_MAX)
        return;
    statement_begin("page");
    statement_hex("cpu", cpu->index);
    statement_hex("addr", address + 8 * first);
    statement_hex("found", found);
    statement_hex("expected", word_at(c, first));
    statement_hex("gen", gen);
    statement_text("during", during);
    statement_hex("bad", bad);
    statement_end();
}

void pages_reset_statements(void) { statements = 0; }

static bool check(struct cpu *cpu, const void *page, u64 address, struct content c, u32 gen, const char *during)
{
    if (holds(page, c))
        return true;
    cpu->share.bad = cpu->share.bad + 1;
    report(cpu, page, address, c, gen, during);
    return false;
}

/* A change of `zero` takes effect here and nowhere else. */
static void step(struct share *share)
{
    if (++share->cur < share->count)
        return;
    share->cur = 0;
    share->gen++;
    share->zero_before = share->zero;
    share->zero = options.zero;
}

/* A page that has to be zero and is, is not written: one that the host never gave stays that way. */
void pages_first_sweep(struct cpu *cpu, void (*poll)(struct cpu *))
{
    struct share *share = &cpu->share;

    while (share->gen == 1 && share->count) {
        u32 index = share->first + share->cur;
        u64 address = page_address(index);
        void *page = page_map(cpu, address);
        struct content c = content(index, address, 1, share->zero);
        if (c.step || !holds(page, c))
            write(page, c);
        share->wrote = share->wrote + 1;
        step(share);
        if (share->cur % POLL_PAGES == 0)
            poll(cpu);
    }
}

static void rewrite_next(struct cpu *cpu)
{
    struct share *share = &cpu->share;
    u32 index = share->first + share->cur;
    u64 address = page_address(index);
    void *page = page_map(cpu, address);

    check(cpu, page, address, content(index, address, share->gen - 1, share->zero_before), share->gen - 1, "write");
    write(page, content(index, address, share->gen, share->zero));
    share->wrote = share->wrote + 1;
    step(share);
}

/* This tick's part of the rate, as far as the duty allows; what does not fit is dropped, or it would pile up. */
void pages_dirty(struct cpu *cpu)
{
    struct share *share = &cpu->share;
    u32 unit = TICKS_PER_S * cpu_count;
    u64 start = rdtsc(), allowed = (u64)((u32)(cpu->tsc_per_tick >> 10) * options.duty / 100) << 10;

    share->credit += options.rate;
    u32 pages = share->credit / unit;
    share->credit %= unit;
    if (!share->count)
        return;
    while (pages-- && rdtsc() - start < allowed)
        rewrite_next(cpu);
}

/* Leaves a bad page as it is: asked twice, the answer is the same, and the evidence stays. */
void pages_verify(struct cpu *cpu, void (*poll)(struct cpu *))
{
    struct share *share = &cpu->share;

    cpu->verified_bad = 0;
    for (u32 n = 0; n < share->count; n++) {
        bool written = n < share->cur;
        u32 index = share->first + n, gen = written ? share->gen : share->gen - 1;
        u64 address = page_address(index);
        struct content c = content(index, address, gen, written ? share->zero : share->zero_before);
        cpu->verified_bad += !check(cpu, page_map(cpu, address), address, c, gen, "verify");
        if (n % POLL_PAGES == 0)
            poll(cpu);
    }
    cpu->verified_pages = share->count;
}
