/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copied to FLIP_LOW + FLIP_CODE. The same bytes run in real mode, 16-bit protected mode, virtual-8086 mode and, in 16
 * bits, compatibility mode: in each, CS begins at FLIP_LOW, DS at the vCPU's page, ES SHIFT above it.
 */
#include "flip.h"

#define LOOPS 1024 /* of checks between two looks for an interrupt: about a tenth of a millisecond */

        .section .rodata
        .code16
        .globl  flip16_begin, flip16_end
flip16_begin:
#define AT(label) (label - flip16_begin + FLIP_CODE)

/* Where others enter, and where virtual-8086 mode halts: as offsets in the segment, known to the linker. */
        .globl  at_called, at_v86, at_real, at_hlt, at_stubs
        .set    at_called, AT(called)
        .set    at_v86, AT(v86)
        .set    at_real, AT(real)
        .set    at_hlt, AT(halt)
        .set    at_stubs, AT(stubs)

/* From 32-bit or 64-bit code, by a far call. */
called: call    dwell
        lretl

v86:    call    dwell
        int     $VECTOR_LEAVE

/* From 16-bit protected mode, every segment register but FS with 64 KiB: they keep their limits (SDM 3A, 9.9.2). */
real:   lidtl   AREA_IVT
        movl    %cr0, %eax
        andb    $0xfe, %al
        movl    %eax, %cr0
        ljmp    $FLIP_SEGMENT, $AT(1f)
1:      movw    AREA_SEGMENT, %ax       /* DS still begins where it began in protected mode */
        movw    %ax, %ds
        movw    %ax, %ss
        movl    $STACK_TOP, %esp
        addw    $SHIFT >> 4, %ax
        movw    %ax, %es
        call    dwell
        movl    AREA_SELF, %edi
        movl    %cr0, %eax
        orb     $1, %al
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $flip_back

        .macro  expect check
        movl    $\check, AREA_CHECK
        cmpl    AREA_EXPECTED + 4 * \check, %eax
        jne     differs
        .endm

        .macro  expect_selector register check
        xorl    %eax, %eax
        movw    %\register, %ax
        expect  \check
        .endm

        .macro  expect_register register check
        movl    %\register, %eax
        expect  \check
        .endm

/*
 * Checks all it can see of its mode, again and again, and once more when an interrupt has come: it may have been moved
 * as it waited. Entered and left with IF clear.
 */
dwell:
        movl    %esp, AREA_LEAVE_SP
        movl    AREA_EXPECTED + 4 * CHECK_EBX, %ebx
        movl    AREA_EXPECTED + 4 * CHECK_EDX, %edx
        movl    AREA_EXPECTED + 4 * CHECK_EBP, %ebp
        movl    AREA_EXPECTED + 4 * CHECK_EDI, %edi
again:  movl    $LOOPS, %ecx
1:      xorl    %eax, %eax
        smsw    %ax
        expect  CHECK_STATUS
        expect_selector cs, CHECK_CS
        expect_selector ds, CHECK_DS
        expect_selector es, CHECK_ES
        expect_selector ss, CHECK_SS
        expect_selector fs, CHECK_FS
        pushfl
        popl    %eax
        andl    $FLAGS_CHECKED, %eax
        expect  CHECK_FLAGS
        movl    %es:(AREA_NEAR - SHIFT), %eax
        expect  CHECK_NEAR
        movl    AREA_FAR_AT, %esi
        movl    %fs:(%esi), %eax        /* above 1 MiB in all modes but virtual-8086: the limit of FS is 4 GiB */
        expect  CHECK_FAR
        expect_register ebx, CHECK_EBX
        expect_register edx, CHECK_EDX
        expect_register ebp, CHECK_EBP
        expect_register edi, CHECK_EDI
        decl    %ecx
        jnz     1b
        incl    AREA_EXPECTED + 4 * CHECK_CALLS
        int     $VECTOR_CALL
        movl    AREA_CALLS, %eax
        expect  CHECK_CALLS
        incl    AREA_LOOPS
        cmpl    $0, AREA_ARRIVED
        jne     4f
        cmpl    $0, AREA_HALT
        je      2f
        sti                             /* lets no interrupt in before `hlt` (SDM 2B, STI) */
halt:   hlt
        movl    AREA_WOKEN, %eax
        orl     %eax, AREA_ARRIVED
        jmp     3f
2:      sti
        nop
3:      cli
        jmp     again
4:      ret

differs:
        movl    %eax, AREA_FOUND
        movl    $1, AREA_FAILED
leave:  movl    AREA_LEAVE_SP, %esp
        ret

/*
 * Real mode's interrupts. One that came from outside is only taken down: it stays in service until pulse has come back
 * and takes it for good. There is room for one, so whoever was interrupted goes on with interrupts off.
 */
        .balign 8
stubs:
        vector = 0
        .rept 256
        .balign 8
        pushw   $vector
        jmp     arrived
        vector = vector + 1
        .endr

arrived:
        pushl   %eax
        pushl   %ebp
        movl    %esp, %ebp
        movzbl  8(%ebp), %eax
        cmpl    $VECTOR_CALL, %eax
        je      1f
        cmpl    $0x20, %eax
        jb      exception
        movl    %eax, AREA_ARRIVED
        andw    $~INTERRUPTS, 14(%ebp)  /* FLAGS */
        jmp     2f
1:      incl    AREA_CALLS
2:      popl    %ebp
        popl    %eax
        addw    $2, %sp
        iretw

exception:
        orl     $0x100, %eax
        movl    %eax, AREA_EXCEPTION
        movzwl  10(%ebp), %eax          /* IP */
        movl    %eax, AREA_FOUND
        jmp     leave
flip16_end:
        .section .note.GNU-stack, "", @progbits
