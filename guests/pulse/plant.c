/* SPDX-License-Identifier: Apache-2.0 */
/* Puts values of our own, different for every vCPU, where pulse itself needs none. */
#include "pulse.h"
#include "registers.h"

#define HIGH_HALF    0xffff800000000000ull /* a canonical address: these registers take no other (SDM 2B, WRMSR) */
#define LOW_47       0x00007fffffffffffull
#define UART_SCRATCH 0x3ff
#define APIC_TPR     0x080

static u32 n;
static u64 next(const struct cpu *cpu) { return pattern(cpu->index, 200 + n++); }

/* Breakpoints at addresses, with none of them enabled (SDM 3B, 17.2). */
static void plant_debug(const struct cpu *cpu)
{
    write_dr0((word)next(cpu) & ~(word)0xfff);
    write_dr1((word)next(cpu) & ~(word)0xfff);
    write_dr2((word)next(cpu) & ~(word)0xfff);
    write_dr3((word)next(cpu) & ~(word)0xfff);
    write_dr6(0xffff0ff0 | ((cpu->index + 1) & 15));
    write_dr7(0x400);
}

static void plant_system_calls(const struct cpu *cpu)
{
    if (features.lm) { /* not by the SYSCALL bit: outside long mode an Intel CPU hides it (SDM 2A, CPUID 80000001H) */
        wrmsr(MSR_STAR, next(cpu));
        wrmsr(MSR_LSTAR, (next(cpu) & LOW_47) | HIGH_HALF);
        wrmsr(MSR_CSTAR, (next(cpu) & LOW_47) | HIGH_HALF);
        wrmsr(MSR_SFMASK, (u32)next(cpu));
        wrmsr(MSR_KERNEL_GS, (next(cpu) & LOW_47) | HIGH_HALF);
    }
    if (features.sep) {
        wrmsr(MSR_SYSENTER_CS, next(cpu) & 0xfff8);
        wrmsr(MSR_SYSENTER_ESP, (u32)next(cpu)); /* 32 bits: an AMD CPU keeps no more outside long mode */
        wrmsr(MSR_SYSENTER_EIP, (u32)next(cpu));
    }
#ifdef __x86_64__
    wrmsr(MSR_FS_BASE, next(cpu) & LOW_47);
    wrmsr(MSR_GS_BASE, next(cpu) & LOW_47);
#endif
}

/* Entries 4 to 7 of the page attribute table are used by no page of ours; its valid types: SDM 3A, 12.12.2. */
static void plant_memory_types(const struct cpu *cpu)
{
    static const u8 types[] = {0, 1, 4, 5, 6, 7};

    if (features.pat) {
        u64 pat = rdmsr(MSR_PAT) & 0xffffffff;
        for (u32 i = 4; i < 8; i++)
            pat |= (u64)types[(cpu->index + 5 * i) % 6] << (8 * i);
        wrmsr(MSR_PAT, pat);
    }
    if (features.mtrr) { /* a pair that is not valid (bit 11 of the mask clear), within 36 address bits */
        wrmsr(mtrr_last_pair(), 0x980000000ull + ((u64)cpu->index << 20) + 6);
        wrmsr(mtrr_last_pair() + 1, 0xffff00000ull - ((u64)cpu->index << 20));
    }
}

void plant(struct cpu *cpu)
{
    n = 0;
    write_cr2((word)next(cpu));
    plant_debug(cpu);
    plant_system_calls(cpu);
    plant_memory_types(cpu);
    if (features.rdtscp)
        wrmsr(MSR_TSC_AUX, (u32)next(cpu));
    apic_write(APIC_TPR, 0x20 | cpu->index); /* our vectors are all of a higher class (SDM 3A, 11.8.3.1) */
    if (cpu->index == 0)
        outb(UART_SCRATCH, 0xa7);
}
