/* SPDX-License-Identifier: Apache-2.0 */
/* Which pages pulse owns, their numbers, and how a vCPU reaches them. */
#include "pulse.h"

#define REGIONS     16
#define HOLES       2
#define REACH       0x200000000ull /* 8 GiB: MAPPED_GIB in 64 bits, and as far in 32 */
#define FIRMWARE_LOW (LATE + PAGE)
#define LARGE       0x200000u
#define WINDOWS     0xf0000000u /* 32-bit: one 2 MiB window a vCPU; no RAM below it ends higher than 0xe0000000 */
#define LARGE_ENTRY 0x83
#define UNCACHED    0x18
#define NX          (1ull << 63)

extern u8 image_start[], image_end[];
extern volatile u64 directories[];

static struct region {
    u64 start;
    u32 first, pages;
} regions[REGIONS];
static u32 region_count;

u32 page_count;

static void own(u64 start, u64 end)
{
    start = (start + PAGE - 1) & ~(u64)(PAGE - 1);
    end &= ~(u64)(PAGE - 1);
    if (start >= end || region_count == REGIONS)
        return;
    struct region *region = &regions[region_count++];
    region->start = start;
    region->first = page_count;
    region->pages = (u32)((end - start) >> 12);
    page_count += region->pages;
}

static u64 low_end(void)
{
    u64 ours = TRAMPOLINE + PAGE + flip_reserve();
    return ours > FIRMWARE_LOW ? ours : FIRMWARE_LOW;
}

/*
 * Page 0 stays as it is, so that nothing good is ever at address 0. SeaBIOS writes below 64 KiB when it wakes a machine
 * (1.16, seen at 0x1fe8 and 0xff68), so the rest up to there is its own, and the trampolines'; so is the page LATE.
 */
static void own_around_holes(u64 start, u64 end)
{
    const u64 holes[HOLES][2] = {
        {0, low_end()},
        {(word)image_start, 2 * (word)image_end - (word)image_start}, /* and its copy behind it (trampoline.S) */
    };

    if (end > REACH)
        end = REACH;
    for (int i = 0; i < HOLES; i++) {
        if (start >= holes[i][1] || end <= holes[i][0])
            continue;
        own(start, holes[i][0]);
        start = holes[i][1];
    }
    own(start, end);
}

void memory_find(void)
{
    multiboot_each_range(own_around_holes);
    directories[0xfec00000u / LARGE] |= UNCACHED; /* the I/O APIC */
    directories[0xfee00000u / LARGE] |= UNCACHED; /* the local APICs */
}

void memory_share_out(void)
{
    u32 each = page_count / cpu_count, rest = page_count % cpu_count, first = 0;

    for (u32 i = 0; i < cpu_count; i++) {
        struct share *share = &cpu_at(i)->share;
        share->first = first;
        share->count = each + (i < rest);
        share->gen = 1;
        share->zero = options.zero;
        first += share->count;
    }
}

u64 page_address(u32 index)
{
    const struct region *region = regions;

    while (index - region->first >= region->pages)
        region++;
    return region->start + ((u64)(index - region->first) << 12);
}

/* Where the vCPU sees the page at a physical address. In 64 bits, and below the windows, that is the same number. */
void *page_map(struct cpu *cpu, u64 address)
{
#ifndef __x86_64__
    if (address >= WINDOWS) {
        u32 window = WINDOWS + cpu->index * LARGE;
        u64 shown = address & ~(u64)(LARGE - 1);
        if (cpu->window != shown) {
            cpu->window = shown;
            /* Only this vCPU uses the entry, and not in between the two halves of the store. */
            directories[window / LARGE] = shown | LARGE_ENTRY | (features.nx ? NX : 0);
            __asm__ volatile("invlpg (%0)" ::"r"(window) : "memory");
        }
        return (void *)(window + ((u32)address & (LARGE - 1)));
    }
#endif
    (void)cpu;
    return (void *)(word)address;
}
