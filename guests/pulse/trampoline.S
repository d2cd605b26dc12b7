/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two ways from real mode to 32-bit protected mode, each copied to a place below 64 KiB. A start-up IPI puts a vCPU
 * at TRAMPOLINE, with CS = TRAMPOLINE / 16 (SDM 3A, 9.4.4). The firmware puts the boot vCPU at WAKER after sleep:
 * CS:IP names that address, and SeaBIOS 1.16 does so in another way than ACPI 6.5, 5.2.10 says; so neither is used.
 */
#include "layout.h"

        .macro  leave_real_mode name, place, target
        .globl  \name\()_begin, \name\()_end
        .code16
\name\()_begin:
        cli
        cld
        xorw    %ax, %ax
        movw    %ax, %ds
        lgdtl   \place + \name\()_pointer - \name\()_begin
        movl    $0x11, %eax             /* PE, ET */
        movl    %eax, %cr0
        ljmpl   $SEL_CODE32, $\target
        .balign 4
\name\()_pointer:
        .word   GDT_BYTES - 1
        .long   gdt
        .endm

        .section .rodata
        leave_real_mode trampoline, TRAMPOLINE, ap_start
trampoline_end:

/*
 * QEMU writes the image of a multiboot kernel to its place at every reset, that of a wake-up too (hw/core/loader.c,
 * rom_reset, 5.2 to 11.1; the memory behind the image is left alone). So pulse sleeps with a copy of itself there,
 * and puts it back before anything of the image but the GDT, which is then the first one, is used.
 */
        .balign 4
        leave_real_mode waker, WAKER, (WAKER+waker_protected-waker_begin)
        .code32
waker_protected:
        movl    $SEL_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    $image_end, %esi
        movl    $image_start, %edi
        movl    $image_end, %ecx
        subl    %edi, %ecx
        shrl    $2, %ecx
        rep movsl
        movl    $wake_start, %eax
        jmp     *%eax
waker_end:

/*
 * When SeaBIOS wakes a machine it starts the other vCPUs too, at LATE, and waits for none of them (1.16, smp_resume):
 * it goes on, and LATE is as it was before, while a busy host has not run one yet. That one takes our INIT and the
 * firmware's start-up together, and begins here. It comes in with those that began at TRAMPOLINE.
 */
        .code16
        .globl  late_begin, late_end
late_begin:
        cli
1:      pause
        cmpb    $0, %cs:LATE_OPEN - LATE
        je      1b
        ljmpw   $0, $TRAMPOLINE
late_end:
        .section .note.GNU-stack, "", @progbits
