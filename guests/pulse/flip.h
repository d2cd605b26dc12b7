/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What flip.c, flip.S and flip16.S agree on: the modes, the low memory, and one page for each vCPU in it.
 * Real mode reaches the first MiB only, and so does virtual-8086 mode.
 */
#ifndef FLIP_H
#define FLIP_H

#include "layout.h"

#define FLIP_LOW        (TRAMPOLINE + 0x1000) /* one page for all: real mode's interrupt table, then 16-bit code */
#define FLIP_AREAS      (FLIP_LOW + 0x1000)   /* one page for each vCPU: struct area, and stacks above it */
#define FLIP_CODE       0x400                 /* where in the first of them the code begins */
#define FLIP_SEGMENT    (FLIP_LOW >> 4)

/* In the order of the bits of `flip=`. */
#define MODE_REAL       0
#define MODE_PROTECTED  1
#define MODE_V86        2
#define MODE_COMPATIBLE 3
#define MODE_OWN        4 /* long mode, or protected mode with paging */
#define MODES           5

/* The first four selectors are those of layout.h, so that pulse's own gates work with this table too. */
#define SEL_FLIP_CODE   0x20 /* 16 bits, at FLIP_LOW */
#define SEL_AREA        0x28 /* 16 bits, at the vCPU's page */
#define SEL_SHIFTED     0x30 /* the same, SHIFT higher */
#define SEL_FLIP_TSS    0x38
#define FLIP_GDT        8
#define SHIFT           0x100

#define VECTOR_LEAVE    0x61 /* how virtual-8086 mode is left; VECTOR_CALL is in layout.h */
#define FLAGS_V86       0x23002 /* VM, IOPL 3: `int` and `sti` need no help; `hlt` does */
#define FLAGS_CHECKED   0x3400  /* IOPL and DF */
#define INTERRUPTS      0x200   /* the flag IF */

#define STACK_TOP       0xff0 /* of the 16-bit code */
#define MONITOR_TOP     0x800 /* of the protected mode that serves virtual-8086 mode */

/* struct area, byte by byte; flip.c holds it against the structure. */
#define AREA_TSS        0x40
#define AREA_SP         0xb0
#define AREA_OLD_GDT    0xb8
#define AREA_OLD_IDT    0xc8
#define AREA_GDT        0xd8
#define AREA_IDT        0xe8
#define AREA_IVT        0xf8
#define AREA_SELF       0x108
#define AREA_CR0        0x10c
#define AREA_TR         0x110
#define AREA_SEGMENT    0x114
#define AREA_ARRIVED    0x118
#define AREA_EXCEPTION  0x11c
#define AREA_HALT       0x120
#define AREA_LEAVE_SP   0x124
#define AREA_CHECK      0x128
#define AREA_FAILED     0x12c
#define AREA_FOUND      0x130
#define AREA_CALLS      0x134
#define AREA_FAR_AT     0x138
#define AREA_LOOPS      0x13c
#define AREA_WOKEN      0x140
#define AREA_NEAR       0x144
#define AREA_EXPECTED   0x148

/* What is checked, in this order; the names are in flip.c. */
#define CHECK_STATUS    0
#define CHECK_CS        1
#define CHECK_DS        2
#define CHECK_ES        3
#define CHECK_SS        4
#define CHECK_FS        5
#define CHECK_FLAGS     6
#define CHECK_NEAR      7
#define CHECK_FAR       8
#define CHECK_EBX       9
#define CHECK_EDX       10
#define CHECK_EBP       11
#define CHECK_EDI       12
#define CHECK_CALLS     13
#define CHECKS          14

#endif
