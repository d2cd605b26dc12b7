/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void canary_hold(struct hold *hold): loads every register that a program has, keeps them for `turns` of a loop that needs
 * none of them, or over a system call where `turns` is 0, and stores them. What is where in struct hold: canary.h.
 */
#include "canary.h"

        .text
        .globl  canary_hold
        .type   canary_hold, @function

#ifdef __x86_64__

canary_hold:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        push    %rdi                    /* 8(%rsp): the struct */
        push    HOLD_TURNS(%rdi)        /* (%rsp): turns left */
        mov     %rdi, %rbx
        mov     HOLD_MASK(%rbx), %eax
        xor     %edx, %edx
        mov     HOLD_OWN(%rbx), %rcx
        mov     HOLD_GIVEN(%rbx), %rsi
        test    %eax, %eax
        jz      1f
        xsave64 (%rcx)
        xrstor64 (%rsi)
        jmp     2f
1:      fxsave64 (%rcx)
        fxrstor64 (%rsi)
2:      mov     HOLD_GPR + 0*8(%rbx), %rax
        mov     HOLD_GPR + 1*8(%rbx), %rcx
        mov     HOLD_GPR + 2*8(%rbx), %rdx
        mov     HOLD_GPR + 5*8(%rbx), %rbp
        mov     HOLD_GPR + 6*8(%rbx), %rsi
        mov     HOLD_GPR + 7*8(%rbx), %rdi
        mov     HOLD_GPR + 8*8(%rbx), %r8
        mov     HOLD_GPR + 9*8(%rbx), %r9
        mov     HOLD_GPR + 10*8(%rbx), %r10
        mov     HOLD_GPR + 11*8(%rbx), %r11
        mov     HOLD_GPR + 12*8(%rbx), %r12
        mov     HOLD_GPR + 13*8(%rbx), %r13
        mov     HOLD_GPR + 14*8(%rbx), %r14
        mov     HOLD_GPR + 15*8(%rbx), %r15
        mov     HOLD_GPR + 3*8(%rbx), %rbx
        cmpq    $0, (%rsp)
        je      4f
3:      subq    $1, (%rsp)
        jnz     3b
        jmp     5f
4:      syscall
5:      xchg    %rbx, 8(%rsp)
        mov     %rax, HOLD_FOUND + 0*8(%rbx)
        mov     %rcx, HOLD_FOUND + 1*8(%rbx)
        mov     %rdx, HOLD_FOUND + 2*8(%rbx)
        mov     %rbp, HOLD_FOUND + 5*8(%rbx)
        mov     %rsi, HOLD_FOUND + 6*8(%rbx)
        mov     %rdi, HOLD_FOUND + 7*8(%rbx)
        mov     %r8, HOLD_FOUND + 8*8(%rbx)
        mov     %r9, HOLD_FOUND + 9*8(%rbx)
        mov     %r10, HOLD_FOUND + 10*8(%rbx)
        mov     %r11, HOLD_FOUND + 11*8(%rbx)
        mov     %r12, HOLD_FOUND + 12*8(%rbx)
        mov     %r13, HOLD_FOUND + 13*8(%rbx)
        mov     %r14, HOLD_FOUND + 14*8(%rbx)
        mov     %r15, HOLD_FOUND + 15*8(%rbx)
        mov     8(%rsp), %rax
        mov     %rax, HOLD_FOUND + 3*8(%rbx)
        mov     HOLD_MASK(%rbx), %eax
        xor     %edx, %edx
        mov     HOLD_TAKEN(%rbx), %rcx
        mov     HOLD_OWN(%rbx), %rsi
        test    %eax, %eax
        jz      6f
        xsave64 (%rcx)
        xrstor64 (%rsi)
        jmp     7f
6:      fxsave64 (%rcx)
        fxrstor64 (%rsi)
7:      add     $16, %rsp
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret

#else

canary_hold:
        push    %ebx
        push    %ebp
        push    %esi
        push    %edi
        mov     20(%esp), %ebx
        push    %ebx                    /* 4(%esp): the struct */
        push    HOLD_TURNS(%ebx)        /* (%esp): turns left */
        mov     HOLD_MASK(%ebx), %eax
        xor     %edx, %edx
        mov     HOLD_OWN(%ebx), %ecx
        mov     HOLD_GIVEN(%ebx), %esi
        test    %eax, %eax
        jz      1f
        xsave   (%ecx)
        xrstor  (%esi)
        jmp     2f
1:      fxsave  (%ecx)
        fxrstor (%esi)
2:      mov     HOLD_GPR + 0*8(%ebx), %eax
        mov     HOLD_GPR + 1*8(%ebx), %ecx
        mov     HOLD_GPR + 2*8(%ebx), %edx
        mov     HOLD_GPR + 5*8(%ebx), %ebp
        mov     HOLD_GPR + 6*8(%ebx), %esi
        mov     HOLD_GPR + 7*8(%ebx), %edi
        mov     HOLD_GPR + 3*8(%ebx), %ebx
        cmpl    $0, (%esp)
        je      4f
3:      subl    $1, (%esp)
        jnz     3b
        jmp     5f
4:      int     $0x80
5:      xchg    %ebx, 4(%esp)
        mov     %eax, HOLD_FOUND + 0*8(%ebx)
        mov     %ecx, HOLD_FOUND + 1*8(%ebx)
        mov     %edx, HOLD_FOUND + 2*8(%ebx)
        mov     %ebp, HOLD_FOUND + 5*8(%ebx)
        mov     %esi, HOLD_FOUND + 6*8(%ebx)
        mov     %edi, HOLD_FOUND + 7*8(%ebx)
        mov     4(%esp), %eax
        mov     %eax, HOLD_FOUND + 3*8(%ebx)
        mov     HOLD_MASK(%ebx), %eax
        xor     %edx, %edx
        mov     HOLD_TAKEN(%ebx), %ecx
        mov     HOLD_OWN(%ebx), %esi
        test    %eax, %eax
        jz      6f
        xsave   (%ecx)
        xrstor  (%esi)
        jmp     7f
6:      fxsave  (%ecx)
        fxrstor (%esi)
7:      add     $8, %esp
        pop     %edi
        pop     %esi
        pop     %ebp
        pop     %ebx
        ret

#endif
        .size   canary_hold, . - canary_hold
        .section .note.GNU-stack, "", @progbits
