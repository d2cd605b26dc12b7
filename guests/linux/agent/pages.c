/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the pages hold. Every 8-byte word of a page is its number in the guest's memory of words below, the generation
 * above; or the page is all zero. Which it is follows from the page's number, the generation, and the share's `zero`
 * of that generation, so nothing about a page is stored anywhere but in the page.
 */
#include "agent.h"

#include <sys/mman.h>

#define WORDS          (PAGE / 8)
#define STATEMENTS_MAX 16 /* about bad pages, between two answers to `verify` */

static u32 statements;

struct content {
    u64 first; /* word; each next one is greater by `step` */
    u64 step;
};

static bool is_zero(u32 index, u32 gen, u32 zero)
{
    return ((index * 0x9e3779b1u ^ gen * 0x85ebca6bu) * 0xc2b2ae35u) >> 28 < zero;
}

static struct content content(u32 index, u32 gen, u32 zero)
{
    if (is_zero(index, gen, zero))
        return (struct content){0, 0};
    return (struct content){(u64)gen << 32 | (u64)index * WORDS, 1};
}

static u64 *page_at(const struct share *share, u32 n) { return (u64 *)(share->pages + (size_t)n * PAGE); }

static bool holds(const u64 *page, struct content c)
{
    u64 differences = 0;

    for (u32 n = 0; n < WORDS; n++)
        differences |= page[n] ^ (c.first + n * c.step);
    return !differences;
}

static void write_page(u64 *page, struct content c)
{
    for (u32 n = 0; n < WORDS; n++)
        page[n] = c.first + n * c.step;
}

static void report(const struct vcpu *vcpu, const u64 *page, struct content c, u32 gen, const char *during)
{
    u32 bad = 0, first = 0;

    for (u32 n = WORDS; n-- > 0;)
        if (page[n] != c.first + n * c.step) {
            bad++;
            first = n;
        }
    if (__atomic_fetch_add(&statements, 1, __ATOMIC_RELAXED) >= STATEMENTS_MAX)
        return;
    statement_begin("page");
    statement_hex("cpu", vcpu->index);
    statement_hex("addr", (uintptr_t)(page + first));
    statement_hex("found", page[first]);
    statement_hex("expected", c.first + first * c.step);
    statement_hex("gen", gen);
    statement_text("during", during);
    statement_hex("bad", bad);
    statement_end();
}

void pages_reset_statements(void) { __atomic_store_n(&statements, 0, __ATOMIC_RELAXED); }

static bool check(struct vcpu *vcpu, const u64 *page, struct content c, u32 gen, const char *during)
{
    if (holds(page, c))
        return true;
    vcpu->bad++;
    report(vcpu, page, c, gen, during);
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

/* The first sweep. Locked, so that what the guest owns is never written out or moved by its kernel. */
static void own(struct vcpu *vcpu, struct share *share)
{
    size_t bytes = (size_t)share->count * PAGE;

    share->pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
    if (share->pages == MAP_FAILED)
        die("%u pages of memory", share->count);
    share->gen = 1;
    share->zero = share->zero_before = options.zero;
    while (share->gen == 1 && share->count) {
        write_page(page_at(share, share->cur), content(share->first + share->cur, 1, share->zero));
        vcpu->wrote++;
        step(share);
    }
}

void pages_own(struct vcpu *vcpu) { own(vcpu, &vcpu->share); }

/* Numbered after all others, so that none holds what another should. */
void pages_grow(struct vcpu *vcpu, u32 count)
{
    struct share *share = &vcpu->grown;

    share->first = options.pages;
    share->count = count;
    own(vcpu, share);
}

static void rewrite_next(struct vcpu *vcpu, struct share *share)
{
    u32 index = share->first + share->cur;
    u64 *page = page_at(share, share->cur);

    check(vcpu, page, content(index, share->gen - 1, share->zero_before), share->gen - 1, "write");
    write_page(page, content(index, share->gen, share->zero));
    vcpu->wrote++;
    step(share);
}

/* This tick's part of the rate, as far as the duty allows; what does not fit is dropped, or it would pile up. */
void pages_dirty(struct vcpu *vcpu)
{
    struct share *share = &vcpu->share, *grown = &vcpu->grown;
    u32 unit = TICKS_PER_S * vcpu_owners;
    u64 start = monotonic_ns(), allowed = (u64)1000000000 / TICKS_PER_S * options.duty / 100;

    share->credit += options.rate;
    u32 pages = share->credit / unit;
    share->credit %= unit;
    while (share->count && pages-- && monotonic_ns() - start < allowed)
        rewrite_next(vcpu, pages % 2 && grown->count ? grown : share);
}

static void verify(struct vcpu *vcpu, const struct share *share)
{
    for (u32 n = 0; n < share->count; n++) {
        bool written = n < share->cur;
        u32 index = share->first + n, gen = written ? share->gen : share->gen - 1;
        struct content c = content(index, gen, written ? share->zero : share->zero_before);
        vcpu->verified_bad += !check(vcpu, page_at(share, n), c, gen, "verify");
    }
}

/* Leaves a bad page as it is: asked twice, the answer is the same, and the evidence stays. */
void pages_verify(struct vcpu *vcpu)
{
    vcpu->verified_bad = 0;
    verify(vcpu, &vcpu->share);
    verify(vcpu, &vcpu->grown);
    vcpu->verified_pages = vcpu->share.count + vcpu->grown.count;
}
