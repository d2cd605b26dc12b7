/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One stub for each of the 256 vectors, STUB_BYTES apart. Each makes the frame uniform (error code, vector)
 * and preserves every general register and flag: the canaries depend on that.
 */
#include "layout.h"

        .text
        .balign STUB_BYTES
        .globl  interrupt_stubs
interrupt_stubs:
        vector = 0
        .rept 256
        .balign STUB_BYTES
        /* The CPU pushes an error code for 8, 10-14, 17, 21, 29 and 30 (SDM 3A, table 6-1; APM 2, 8.2). */
        has_error = (vector == 8) | ((vector >= 10) & (vector <= 14)) | (vector == 17) | (vector == 21)
        has_error = has_error | (vector == 29) | (vector == 30)
        .if     !has_error
        push    $0
        .endif
        push    $vector
        jmp     common
        vector = vector + 1
        .endr

common:
#ifdef __x86_64__
        push    %rax
        push    %rcx
        push    %rdx
        push    %rbx
        push    %rbp
        push    %rsi
        push    %rdi
        push    %r8
        push    %r9
        push    %r10
        push    %r11
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        cld                             /* a canary: the flag may be set */
        movq    %rsp, %rdi              /* 16-byte aligned: the CPU aligns, and 22 words follow (SDM 3A, 6.14.2) */
        call    interrupt
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %r11
        pop     %r10
        pop     %r9
        pop     %r8
        pop     %rdi
        pop     %rsi
        pop     %rbp
        pop     %rbx
        pop     %rdx
        pop     %rcx
        pop     %rax
        addq    $16, %rsp
        iretq
#else
        pushal
        cld
        pushl   %esp
        call    interrupt
        addl    $4, %esp
        popal
        addl    $8, %esp
        iretl
#endif
        .section .note.GNU-stack, "", @progbits
