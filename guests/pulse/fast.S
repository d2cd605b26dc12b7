/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void fast_call(struct fast *to, u32 kind)
 *
 * Makes one system call as a program would, and arrives at the entry that the MSRs name: one for each kind. It does not
 * return the way that it came: the stack and the segments are as they were, and that is all.
 */
#include "fast.h"
#include "layout.h"

#ifdef __x86_64__
        .text
        .code64
        .globl  fast_call, fast_entries, fast_returns
fast_call:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        pushfq
        cli
        movq    %rdi, %rbx
        movq    %rsp, FAST_SP(%rbx)
        cmpl    $FAST_LONG, %esi
        je      1f
        movl    $at_syscall, %eax
        movl    $at_sysenter, %ecx
        cmpl    $FAST_SYSENTER, %esi
        cmovel  %ecx, %eax
        pushq   $SEL_CODE32
        pushq   %rax
        lretq
1:      syscall
from_long:
        .code32
at_syscall:
        syscall
from_syscall:
at_sysenter:
        sysenter
        .code64
to_long:
        movl    $FAST_LONG, %eax
        jmp     arrived
to_syscall:
        movl    $FAST_SYSCALL, %eax
        jmp     arrived
to_sysenter:
        movl    $FAST_SYSENTER, %eax
arrived:
        movl    %ebx, %ebx              /* the upper half is undefined after compatibility mode (SDM 1, 3.4.1.1) */
        movq    FAST_SP(%rbx), %rsp
        movl    %eax, FAST_ARRIVED(%rbx)
        movl    %ecx, FAST_BACK(%rbx)
        movl    $SEL_DATA, %eax
        movl    %eax, %ss
        popfq
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

        .section .rodata
        .balign 4
fast_entries:
        .long   to_long, to_syscall, to_sysenter
fast_returns:
        .long   from_long, from_syscall, 0
#endif
        .section .note.GNU-stack, "", @progbits
