/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `grow pages=N`: the first vCPU owns N more pages from then on, and says how many of them lie above 4 GiB, where memory is
 * that was plugged in. Once: asked again, it only says so again.
 */
#include "agent.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PAGES_MAX 0x10000
#define FRAME     ((1ull << 55) - 1) /* Documentation/admin-guide/mm/pagemap.rst */
#define HIGH      (1ull << (32 - 12))

static u32 wanted_pages, asked_id;

static u32 pages_above(const u8 *pages, u32 count)
{
    u32 high = 0;
    u64 entry;
    int map = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

    for (u32 n = 0; map >= 0 && n < count; n++) {
        off_t at = (off_t)(((uintptr_t)pages / PAGE + n) * sizeof entry);
        high += pread(map, &entry, sizeof entry, at) == sizeof entry && (entry & FRAME) >= HIGH;
    }
    if (map >= 0)
        close(map);
    return high;
}

void grow_when_asked(struct vcpu *vcpu)
{
    u32 pages = __atomic_exchange_n(&wanted_pages, 0, __ATOMIC_ACQ_REL);

    if (vcpu->index || !pages)
        return;
    if (!vcpu->grown.count)
        pages_grow(vcpu, pages);
    beat_now();
    statement_begin("grown");
    statement_hex("id", asked_id);
    statement_hex("pages", vcpu->grown.count);
    statement_hex("high", pages_above(vcpu->grown.pages, vcpu->grown.count));
    statement_end();
}

static bool ask(u32 id, const char *words)
{
    u64 pages;

    if (!word_is(&words, "grow") || !word_option(&words, "pages", &pages, 1, PAGES_MAX) || *words)
        return false;
    asked_id = id;
    __atomic_store_n(&wanted_pages, (u32)pages, __ATOMIC_RELEASE);
    vcpus_wake();
    return true;
}

SUBJECT(grow) = {.command = ask};
