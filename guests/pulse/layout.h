/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that the assembler, the linker script and C must agree on. */
#ifndef LAYOUT_H
#define LAYOUT_H

#define IMAGE_BASE   0x100000 /* where multiboot kernels live; image and stacks stay in this 2 MiB page */
#define TRAMPOLINE   0x8000   /* a start-up IPI can only name a page below 1 MiB (SDM 3A, 9.4.4) */

#define WAKER        0x8800   /* the same page: where the firmware jumps when the machine wakes */

#define LATE         0x10000  /* where SeaBIOS has the other vCPUs begin (1.16, src/config.h, BUILD_AP_BOOT_ADDR) */
#define LATE_OPEN    0x10080

#define MAX_CPUS     8
#define CPU_BLOCK    0x4000   /* struct cpu and its stack; aligned to its size: the stack pointer names the cpu */

#define SEL_CODE32   0x08
#define SEL_DATA     0x10
#define SEL_CODE64   0x18
#define SEL_TSS      0x20     /* one every 16 bytes: that is a 64-bit TSS descriptor (SDM 3A, 8.2.3) */
#define GDT_BYTES    (SEL_TSS + 16 * MAX_CPUS)

#ifdef __x86_64__
#define MAPPED_GIB   8        /* 4 GiB of RAM end at 6 GiB on q35 (hw/i386/pc_q35.c, lowmem = 2 GiB) */
#define SEL_CODE     SEL_CODE64
#else
#define MAPPED_GIB   4
#define SEL_CODE     SEL_CODE32
#endif

#define VECTOR_TIMER    0x40
#define VECTOR_WAKE     0x41
#define VECTOR_SERIAL   0x42
#define VECTOR_CALL     0x60     /* flip: made by `int` */
#define VECTOR_PIT      0x50 /* timers.c */
#define VECTOR_HPET     0x51
#define VECTOR_RTC      0x52
#define VECTOR_SPURIOUS 0xff
#define STUB_BYTES      16

#endif
