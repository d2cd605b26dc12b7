/* SPDX-License-Identifier: Apache-2.0 */
/* Control, debug and model-specific registers, and those of the interrupt controllers and the serial port. */
#include "pulse.h"
#include "registers.h"
#include "cpuid.h"

enum kind { CR, XCR0, DR, MSR, SELECTOR, TABLE, APIC, IOAPIC, PORT, CPUID };
enum need { ALWAYS, AVX, LM, LONG_MODE, NX, SEP, PAT, MTRR, RDTSCP, BOOT };

#define MTRR_LAST     0xffff0000u /* stands for the last variable pair, wherever that is */

static const struct watch {
    const char *name;
    enum kind kind;
    enum need need;
    u32 number;
    u64 mask;
} watches[] = {
    {"cr0", CR, ALWAYS, 0, ~0ull},
    {"cr2", CR, ALWAYS, 2, ~0ull},
    {"cr3", CR, ALWAYS, 3, ~0ull},
    {"cr4", CR, ALWAYS, 4, ~0ull},
    {"xcr0", XCR0, AVX, 0, ~0ull},
    {"dr0", DR, ALWAYS, 0, ~0ull},
    {"dr1", DR, ALWAYS, 1, ~0ull},
    {"dr2", DR, ALWAYS, 2, ~0ull},
    {"dr3", DR, ALWAYS, 3, ~0ull},
    {"dr6", DR, ALWAYS, 6, ~0ull},
    {"dr7", DR, ALWAYS, 7, ~0ull},
    {"efer", MSR, NX, MSR_EFER, ~0ull},
    {"star", MSR, LM, MSR_STAR, ~0ull},
    {"lstar", MSR, LM, MSR_LSTAR, ~0ull},
    {"cstar", MSR, LM, MSR_CSTAR, ~0ull},
    {"sfmask", MSR, LM, MSR_SFMASK, ~0ull},
    {"kernel_gs_base", MSR, LM, MSR_KERNEL_GS, ~0ull},
    {"fs_base", MSR, LONG_MODE, MSR_FS_BASE, ~0ull},
    {"gs_base", MSR, LONG_MODE, MSR_GS_BASE, ~0ull},
    {"sysenter_cs", MSR, SEP, MSR_SYSENTER_CS, ~0ull},
    {"sysenter_esp", MSR, SEP, MSR_SYSENTER_ESP, ~0ull},
    {"sysenter_eip", MSR, SEP, MSR_SYSENTER_EIP, ~0ull},
    {"pat", MSR, PAT, MSR_PAT, ~0ull},
    {"mtrr_base", MSR, MTRR, MTRR_LAST, ~0ull},
    {"mtrr_mask", MSR, MTRR, MTRR_LAST + 1, ~0ull},
    {"tsc_aux", MSR, RDTSCP, MSR_TSC_AUX, ~0ull},
    {"apic_base", MSR, ALWAYS, MSR_APIC_BASE, ~0ull},
    {"cs", SELECTOR, ALWAYS, 0, ~0ull},
    {"ds", SELECTOR, ALWAYS, 1, ~0ull},
    {"es", SELECTOR, ALWAYS, 2, ~0ull},
    {"fs", SELECTOR, ALWAYS, 3, ~0ull},
    {"gs", SELECTOR, ALWAYS, 4, ~0ull},
    {"ss", SELECTOR, ALWAYS, 5, ~0ull},
    {"tr", SELECTOR, ALWAYS, 6, ~0ull},
    {"ldtr", SELECTOR, ALWAYS, 7, ~0ull},
    {"gdtr.base", TABLE, ALWAYS, 0, ~0ull},
    {"gdtr.limit", TABLE, ALWAYS, 1, ~0ull},
    {"idtr.base", TABLE, ALWAYS, 2, ~0ull},
    {"idtr.limit", TABLE, ALWAYS, 3, ~0ull},
    {"apic.id", APIC, ALWAYS, 0x020, ~0ull},
    {"apic.tpr", APIC, ALWAYS, 0x080, ~0ull},
    {"apic.svr", APIC, ALWAYS, 0x0f0, ~0ull},
    {"apic.timer", APIC, ALWAYS, 0x320, ~0x1000ull}, /* without delivery status */
    {"apic.count", APIC, ALWAYS, 0x380, ~0ull},
    {"apic.divide", APIC, ALWAYS, 0x3e0, ~0ull},
    {"ioapic.4.low", IOAPIC, BOOT, 0x18, ~0x5000ull}, /* without delivery status and remote IRR */
    {"ioapic.4.high", IOAPIC, BOOT, 0x19, ~0ull},
    {"pic.master", PORT, BOOT, 0x21, ~0ull},
    {"pic.slave", PORT, BOOT, 0xa1, ~0ull},
    {"uart.ier", PORT, BOOT, 0x3f9, ~0ull},
    {"uart.lcr", PORT, BOOT, 0x3fb, ~0ull},
    {"uart.mcr", PORT, BOOT, 0x3fc, ~0ull},
    {"uart.scratch", PORT, BOOT, 0x3ff, ~0ull},
    /* What the CPU says that it is and has. */
    {"cpuid.0.ebx", CPUID, ALWAYS, CPUID_0_EBX, ~0ull}, /* the vendor's first four letters */
    {"cpuid.1.eax", CPUID, ALWAYS, CPUID_1_EAX, ~0ull},
    {"cpuid.1.ecx", CPUID, ALWAYS, CPUID_1_ECX, ~0ull},
    {"cpuid.1.edx", CPUID, ALWAYS, CPUID_1_EDX, ~0ull},
    {"cpuid.7.ebx", CPUID, ALWAYS, CPUID_7_EBX, ~0ull},
    {"cpuid.7.ecx", CPUID, ALWAYS, CPUID_7_ECX, ~0ull},
    {"cpuid.80000001.ecx", CPUID, ALWAYS, CPUID_80000001_ECX, ~0ull},
    {"cpuid.80000001.edx", CPUID, ALWAYS, CPUID_80000001_EDX, ~0ull},
};

#define WATCHES (sizeof watches / sizeof *watches)
_Static_assert(WATCHES <= WATCHED_MAX, "struct cpu has room for all of them");

static bool met(enum need need, const struct cpu *cpu)
{
    switch (need) {
    case ALWAYS: return true;
    case AVX: return features.avx;
    case LM: return features.lm;
    case LONG_MODE: return sizeof(word) == 8;
    case NX: return features.nx || features.lm; /* either has EFER */
    case SEP: return features.sep;
    case PAT: return features.pat;
    case MTRR: return features.mtrr;
    case RDTSCP: return features.rdtscp;
    case BOOT: return cpu->index == 0;
    }
    return false;
}

/* Pairs of base and mask begin at 0x200 (SDM 3A, 12.11.2.3). */
u32 mtrr_last_pair(void) { return 0x200 + 2 * (((u32)rdmsr(MSR_MTRRCAP) & 0xff) - 1); }

static u32 msr_number(u32 number) { return number < MTRR_LAST ? number : mtrr_last_pair() + (number - MTRR_LAST); }

static u64 control(u32 number)
{
    switch (number) {
    case 0: return read_cr0();
    case 2: return read_cr2();
    case 3: return read_cr3();
    default: return read_cr4();
    }
}

static u64 debug(u32 number)
{
    switch (number) {
    case 0: return read_dr0();
    case 1: return read_dr1();
    case 2: return read_dr2();
    case 3: return read_dr3();
    case 6: return read_dr6();
    default: return read_dr7();
    }
}

static u64 xcr0(void)
{
    u32 low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (u64)high << 32 | low;
}

static u64 selector(u32 number)
{
    word value = 0;

    switch (number) {
    case 0: __asm__ volatile("mov %%cs, %0" : "=r"(value)); break;
    case 1: __asm__ volatile("mov %%ds, %0" : "=r"(value)); break;
    case 2: __asm__ volatile("mov %%es, %0" : "=r"(value)); break;
    case 3: __asm__ volatile("mov %%fs, %0" : "=r"(value)); break;
    case 4: __asm__ volatile("mov %%gs, %0" : "=r"(value)); break;
    case 5: __asm__ volatile("mov %%ss, %0" : "=r"(value)); break;
    case 6: __asm__ volatile("str %0" : "=r"(value)); break;
    default: __asm__ volatile("sldt %0" : "=r"(value)); break;
    }
    return value & 0xffff;
}

static u64 table(u32 number)
{
    struct {
        u16 limit;
        word base;
    } __attribute__((packed)) gdtr, idtr;

    __asm__ volatile("sgdt %0" : "=m"(gdtr));
    __asm__ volatile("sidt %0" : "=m"(idtr));
    switch (number) {
    case 0: return gdtr.base;
    case 1: return gdtr.limit;
    case 2: return idtr.base;
    default: return idtr.limit;
    }
}

static u64 value(const struct watch *watch)
{
    switch (watch->kind) {
    case CR: return control(watch->number);
    case XCR0: return xcr0();
    case DR: return debug(watch->number);
    case MSR: return rdmsr(msr_number(watch->number));
    case SELECTOR: return selector(watch->number);
    case TABLE: return table(watch->number);
    case APIC: return apic_read(watch->number);
    case IOAPIC: return ioapic_read((u8)watch->number);
    case PORT: return inb((u16)watch->number);
    case CPUID: return cpuid_value(watch->number);
    }
    return 0;
}

void watched_plant(struct cpu *cpu)
{
    plant(cpu);
    for (u32 i = 0; i < WATCHES; i++) {
        cpu->watched[i] = met(watches[i].need, cpu);
        if (cpu->watched[i])
            cpu->watched_expected[i] = value(&watches[i]) & watches[i].mask;
    }
}

void watched_check(struct cpu *cpu)
{
    for (u32 i = 0; i < WATCHES; i++) {
        if (!cpu->watched[i])
            continue;
        u64 found = value(&watches[i]) & watches[i].mask;
        if (found == cpu->watched_expected[i])
            continue;
        register_differs(cpu, watches[i].name, found, cpu->watched_expected[i]);
        cpu->watched_expected[i] = found; /* say it once */
    }
    cpu->regs = cpu->regs + 1;
}
