/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the multiboot loader, or from the trampoline, to C with paging on.
 * The loader's state: Multiboot Specification 0.6.96, section 3.2.
 */
#include "layout.h"

#define MULTIBOOT_MAGIC 0x1BADB002
#define MULTIBOOT_FLAGS 0x2             /* bit 1: give me the memory map */

#define CR0_VALUE 0x80010033            /* PG WP NE ET MP PE; not CD, NW: INIT leaves them set (SDM 3A, 9.1.1) */
#define CR4_VALUE 0x620                 /* PAE OSFXSR OSXMMEXCPT */
#define MSR_EFER  0xC0000080
#define EFER_LME  0x100
#define EFER_NXE  0x800
#define LARGE_RW  0x83                  /* present, writable, 2 MiB */

        .section .multiboot, "a"
        .balign 4
        .long   MULTIBOOT_MAGIC, MULTIBOOT_FLAGS, -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

        .text
        .code32
        .globl  start
start:
        cli
        cld
        movl    $bss_start, %edi
        movl    $bss_end, %ecx
        subl    %edi, %ecx
        shrl    $2, %ecx
        xorl    %eax, %eax
        rep stosl
        movl    %ebx, multiboot_info
        movl    $cpu_blocks + CPU_BLOCK, %esp
        lgdt    gdt_pointer
        ljmp    $SEL_CODE32, $1f
1:      movl    $SEL_DATA, %eax
        call    load_segments
        call    choose_efer
        call    fill_tables
        movl    $boot_main, %ebp
        jmp     enter_paging

/* The boot vCPU comes here from the other trampoline when the machine wakes; its stack is as good as new. */
        .globl  wake_start
wake_start:
        movl    $SEL_DATA, %eax
        movl    $wake_segments, %ebp
        jmp     load_segments_ebp
wake_segments:
        movl    $cpu_blocks + CPU_BLOCK, %esp
        movl    $boot_woken, %ebp
        jmp     enter_paging

/* An application processor comes here from the trampoline, in 32-bit mode, without a stack. */
        .globl  ap_start
ap_start:
        movl    $SEL_DATA, %eax
        movl    $ap_segments, %ebp      /* no stack to return by */
        jmp     load_segments_ebp
ap_segments:
        movl    $1, %edi
        lock xaddl %edi, ap_claimed
        cmpl    $MAX_CPUS - 1, %edi
        jae     park
        movl    $1, %eax
        cpuid
        shrl    $24, %ebx               /* the initial APIC ID (SDM 2A, CPUID leaf 1) */
        movl    %ebx, ap_ids(, %edi, 4)
        lock incl ap_arrived
1:      pause                           /* until the boot vCPU has ranked us by APIC ID */
        movl    ap_stacks(, %edi, 4), %esp
        testl   %esp, %esp
        jz      1b
        movl    $ap_main, %ebp
        jmp     enter_paging
park:   cli
        hlt
        jmp     park

load_segments:
        popl    %ebp
load_segments_ebp:
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        jmp     *%ebp

/* efer_bits: what to set; nx_high: the upper half of an entry that must not be executed. */
choose_efer:
        movl    $0x80000001, %eax
        cpuid
        testl   $1 << 20, %edx          /* NX */
        jz      1f
        orl     $EFER_NXE, efer_bits
        movl    $0x80000000, nx_high
1:
#ifdef __x86_64__
        orl     $EFER_LME, efer_bits
#endif
        ret

/* Identity mapping by 2 MiB pages; only the first one, with the image and the trampoline, may be executed. */
fill_tables:
        movl    $directories, %edi
        movl    $LARGE_RW, %eax
        xorl    %edx, %edx
        movl    $MAPPED_GIB * 512, %ecx
1:      movl    %eax, (%edi)
        movl    %edx, 4(%edi)
        cmpl    $directories, %edi
        je      2f
        movl    nx_high, %ebx
        orl     %ebx, 4(%edi)
2:      addl    $8, %edi
        addl    $0x200000, %eax
        adcl    $0, %edx
        loop    1b
        movl    $pointers, %edi
        movl    $directories + 1, %eax  /* PAE allows no bit but "present" here (SDM 3A, table 4-8) ... */
#ifdef __x86_64__
        addl    $2, %eax                /* ... and 4-level paging wants "writable" on every level */
        movl    $pointers + 3, top_table
#endif
        movl    $MAPPED_GIB, %ecx
3:      movl    %eax, (%edi)
        addl    $8, %edi
        addl    $0x1000, %eax
        loop    3b
        ret

/* %esp: the stack; %ebp: the C function to call, which does not return. Order: SDM 3A, 10.8.5. */
enter_paging:
        movl    $CR4_VALUE, %eax
        movl    %eax, %cr4
        movl    $top_table, %eax
        movl    %eax, %cr3
        cmpl    $0, efer_bits           /* a CPU without NX and long mode has no EFER to write */
        je      1f
        movl    $MSR_EFER, %ecx
        rdmsr
        orl     efer_bits, %eax
        wrmsr
1:      movl    $CR0_VALUE, %eax
        movl    %eax, %cr0
        ljmp    $SEL_CODE, $paged
#ifdef __x86_64__
        .code64
paged:  movl    %esp, %esp              /* upper halves are undefined after the switch (SDM 1, 3.4.1.1) */
        movl    %ebp, %ebp
        call    *%rbp
#else
paged:  call    *%ebp
#endif
1:      cli
        hlt
        jmp     1b

        .data
        .balign 16
        .globl  gdt, gdt_pointer
gdt:    .quad   0
        .quad   0x00cf9b000000ffff      /* 32-bit code; types with "accessed" set, so that no CPU writes here */
        .quad   0x00cf93000000ffff      /* data */
        .quad   0x00af9b000000ffff      /* 64-bit code */
        .fill   2 * MAX_CPUS, 8, 0      /* task state segments, written by interrupts.c */
gdt_pointer:
        .word   GDT_BYTES - 1
        .long   gdt, 0

        .bss
        .globl  multiboot_info, ap_ids, ap_claimed, ap_arrived, ap_stacks
        .balign 4
multiboot_info: .skip 4
efer_bits:      .skip 4
nx_high:        .skip 4
ap_claimed:     .skip 4
ap_arrived:     .skip 4
ap_ids:         .skip 4 * MAX_CPUS
ap_stacks:      .skip 4 * MAX_CPUS

        .section .bss.tables, "aw", @nobits
        .globl  directories
        .balign 4096
directories:    .skip 4096 * MAPPED_GIB
#ifdef __x86_64__
top_table:      .skip 4096
pointers:       .skip 4096
#else
        .globl  top_table
top_table:
pointers:       .skip 4096              /* 32 bytes are used; CR3 is below 4 GiB, as PAE wants */
#endif

        .section .bss.blocks, "aw", @nobits
        .globl  cpu_blocks
        .balign CPU_BLOCK
cpu_blocks:     .skip CPU_BLOCK * MAX_CPUS
        .section .note.GNU-stack, "", @progbits
