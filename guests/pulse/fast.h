/* SPDX-License-Identifier: Apache-2.0 */
/* What fast.c and fast.S agree on: how a system call is made, and what is known of it where it arrives. */
#ifndef FAST_H
#define FAST_H

/* In which mode the instruction is, and which one it is. */
#define FAST_LONG     0 /* SYSCALL in 64 bits: every maker's */
#define FAST_SYSCALL  1 /* in 32 bits under long mode: AMD's (APM 3, SYSCALL) */
#define FAST_SYSENTER 2 /* there: Intel's (SDM 2B, SYSENTER); AMD's has none under long mode */
#define FAST_KINDS    3

#define FAST_SP       0 /* struct fast, byte by byte */
#define FAST_ARRIVED  8
#define FAST_BACK     12

#if defined(__x86_64__) && !defined(__ASSEMBLER__)
#include "pulse.h"

/* What went wrong with this vCPU's system calls just now, or nothing; and how many went well so far. */
const char *fast_visit(const struct cpu *cpu, u32 *found, u32 *expected);
u32 fast_calls(u32 index);
#endif

#endif
