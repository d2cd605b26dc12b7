/* SPDX-License-Identifier: Apache-2.0 */
/* Which words of CPUID are watched (SDM 2A, CPUID): a guest that was given another CPU sees it there. */
#ifndef CPUID_H
#define CPUID_H

#include "pulse.h"

/* Not leaf 1's EBX, which has the APIC's number: that is watched as apic.id. */
enum cpuid_word {
    CPUID_0_EBX,
    CPUID_1_EAX,
    CPUID_1_ECX,
    CPUID_1_EDX,
    CPUID_7_EBX,
    CPUID_7_ECX,
    CPUID_80000001_ECX,
    CPUID_80000001_EDX,
};

u32 cpuid_value(enum cpuid_word wanted);

#endif
