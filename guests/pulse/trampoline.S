/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copied to TRAMPOLINE. A start-up IPI puts a vCPU here in real mode with CS = TRAMPOLINE / 16 and IP = 0
 * (SDM 3A, 9.4.4); it leaves for ap_start in 32-bit protected mode.
 */
#include "layout.h"

        .section .rodata
        .code16
        .globl  trampoline_begin, trampoline_end
trampoline_begin:
        cli
        cld
        movw    %cs, %ax
        movw    %ax, %ds
        lgdtl   pointer - trampoline_begin
        movl    $0x11, %eax             /* PE, ET */
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $ap_start
        .balign 4
pointer:
        .word   GDT_BYTES - 1
        .long   gdt
trampoline_end:
        .section .note.GNU-stack, "", @progbits
