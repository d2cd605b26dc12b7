/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void canary_halt(const word expected[], word found[])
 *
 * Loads every general register but the stack pointer, and the flags, from `expected`; halts until an interrupt;
 * stores what they hold then in `found`. Entered and left with interrupts off. Order of the slots: canary.c.
 * `sti` lets no interrupt in before the next instruction has begun (SDM 2B, STI): none is lost before `hlt`.
 */
        .text
        .globl  canary_halt
canary_halt:
#ifdef __x86_64__
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        push    %rsi
        pushq   120(%rdi)
        popfq
        movq    0(%rdi), %rax
        movq    8(%rdi), %rbx
        movq    16(%rdi), %rcx
        movq    24(%rdi), %rdx
        movq    32(%rdi), %rsi
        movq    48(%rdi), %rbp
        movq    56(%rdi), %r8
        movq    64(%rdi), %r9
        movq    72(%rdi), %r10
        movq    80(%rdi), %r11
        movq    88(%rdi), %r12
        movq    96(%rdi), %r13
        movq    104(%rdi), %r14
        movq    112(%rdi), %r15
        movq    40(%rdi), %rdi
        sti
        hlt
        pushfq
        cli
        push    %rdi
        movq    16(%rsp), %rdi
        movq    %rax, 0(%rdi)
        movq    %rbx, 8(%rdi)
        movq    %rcx, 16(%rdi)
        movq    %rdx, 24(%rdi)
        movq    %rsi, 32(%rdi)
        movq    %rbp, 48(%rdi)
        movq    %r8, 56(%rdi)
        movq    %r9, 64(%rdi)
        movq    %r10, 72(%rdi)
        movq    %r11, 80(%rdi)
        movq    %r12, 88(%rdi)
        movq    %r13, 96(%rdi)
        movq    %r14, 104(%rdi)
        movq    %r15, 112(%rdi)
        popq    40(%rdi)
        popq    120(%rdi)
        cld
        pop     %rsi
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
#else
        push    %ebx
        push    %ebp
        push    %esi
        push    %edi
        movl    20(%esp), %eax
        pushl   28(%eax)
        popfl
        movl    4(%eax), %ebx
        movl    8(%eax), %ecx
        movl    12(%eax), %edx
        movl    16(%eax), %esi
        movl    20(%eax), %edi
        movl    24(%eax), %ebp
        movl    0(%eax), %eax
        sti
        hlt
        pushfl
        cli
        push    %eax
        movl    32(%esp), %eax
        movl    %ebx, 4(%eax)
        movl    %ecx, 8(%eax)
        movl    %edx, 12(%eax)
        movl    %esi, 16(%eax)
        movl    %edi, 20(%eax)
        movl    %ebp, 24(%eax)
        popl    0(%eax)
        popl    28(%eax)
        cld
        pop     %edi
        pop     %esi
        pop     %ebp
        pop     %ebx
        ret
#endif
        .section .note.GNU-stack, "", @progbits
