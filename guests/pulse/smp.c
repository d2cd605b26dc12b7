/* SPDX-License-Identifier: Apache-2.0 */
/* How many vCPUs there are, and how the others come to C. They are numbered in the order of their APIC IDs. */
#include "pulse.h"

/* docs/specs/fw_cfg.rst and include/standard-headers/linux/qemu_fw_cfg.h (QEMU 7.2): on q35, pc and microvm alike. */
#define FW_CFG_SELECTOR 0x510
#define FW_CFG_DATA     0x511
#define FW_CFG_NB_CPUS  0x05

extern const u8 trampoline_begin[], trampoline_end[];
extern volatile u32 ap_claimed, ap_arrived, ap_ids[MAX_CPUS], ap_stacks[MAX_CPUS];

static volatile u32 up, go;
static bool woken;

u32 smp_count(void)
{
    outw(FW_CFG_SELECTOR, FW_CFG_NB_CPUS);
    u32 count = inb(FW_CFG_DATA);
    count |= (u32)inb(FW_CFG_DATA) << 8;
    return count < 1 ? 1 : count > MAX_CPUS ? MAX_CPUS : count;
}

static void copy_trampoline(void)
{
    volatile u8 *to = (volatile u8 *)TRAMPOLINE;

    for (const u8 *from = trampoline_begin; from < trampoline_end; from++)
        *to++ = *from;
}

static void give_stacks(u32 others)
{
    for (u32 i = 0; i < others; i++) {
        u32 index = 1;
        for (u32 j = 0; j < others; j++)
            index += ap_ids[j] < ap_ids[i];
        struct cpu *cpu = cpu_at(index);
        cpu->index = index;
        cpu->apic_id = ap_ids[i];
        __atomic_store_n(&ap_stacks[i], (u32)(word)cpu + CPU_BLOCK, __ATOMIC_RELEASE);
    }
}

void smp_start_others(void)
{
    u32 others = cpu_count - 1;

    if (!others)
        return;
    copy_trampoline();
    apic_start_others(TRAMPOLINE >> 12);
    while (ap_arrived < others) {
        if (apic_tick_passed()) {
            apic_start_again(TRAMPOLINE >> 12);
            if (woken)
                power_let_in();
        }
        pause();
    }
    give_stacks(others);
    while (__atomic_load_n(&up, __ATOMIC_ACQUIRE) < others)
        pause();
}

/* The first statement is `boot`: whoever is up waits until it is said. */
void smp_report_up(void)
{
    __atomic_fetch_add(&up, 1, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&go, __ATOMIC_ACQUIRE))
        pause();
}

void smp_go(void) { __atomic_store_n(&go, 1, __ATOMIC_RELEASE); }

/* After sleep the others start from nothing, as they did at first. */
void smp_forget(void)
{
    woken = true;
    ap_claimed = ap_arrived = up = go = 0;
    for (u32 i = 0; i < MAX_CPUS; i++)
        ap_stacks[i] = 0;
}
