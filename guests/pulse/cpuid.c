/* SPDX-License-Identifier: Apache-2.0 */
/* What the CPU says of itself; a leaf above the highest one is all zero, not the highest one's (SDM 2A, CPUID). */
#include "cpuid.h"

#define EXTENDED 0x80000000u

static struct cpuid leaf(u32 number)
{
    struct cpuid nothing = {0, 0, 0, 0};

    return number <= cpuid(number & EXTENDED, 0).a ? cpuid(number, 0) : nothing;
}

u32 cpuid_value(enum cpuid_word wanted)
{
    switch (wanted) {
    case CPUID_0_EBX: return leaf(0).b;
    case CPUID_1_EAX: return leaf(1).a;
    case CPUID_1_ECX: return leaf(1).c;
    case CPUID_1_EDX: return leaf(1).d;
    case CPUID_7_EBX: return leaf(7).b;
    case CPUID_7_ECX: return leaf(7).c;
    case CPUID_80000001_ECX: return leaf(EXTENDED + 1).c;
    case CPUID_80000001_EDX: return leaf(EXTENDED + 1).d;
    }
    return 0;
}
