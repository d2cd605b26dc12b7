/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of model-specific registers (SDM 4, chapter 2), and what plant.c and watched.c share. */
#ifndef REGISTERS_H
#define REGISTERS_H

#include "pulse.h"

#define MSR_EFER         0xc0000080
#define MSR_STAR         0xc0000081
#define MSR_LSTAR        0xc0000082
#define MSR_CSTAR        0xc0000083
#define MSR_SFMASK       0xc0000084
#define MSR_FS_BASE      0xc0000100
#define MSR_GS_BASE      0xc0000101
#define MSR_KERNEL_GS    0xc0000102
#define MSR_TSC_AUX      0xc0000103
#define MSR_SYSENTER_CS  0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176
#define MSR_APIC_BASE    0x1b
#define MSR_MTRRCAP      0xfe
#define MSR_PAT          0x277

void plant(struct cpu *cpu);
u32 mtrr_last_pair(void);

#endif
