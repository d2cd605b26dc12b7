/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void flip_trip(struct area *area, u32 mode)
 *
 * Goes from pulse's own mode to another, has flip16.S dwell there, and comes back. Interrupts are off on the way.
 * Out of long mode and into it again: SDM 3A, 9.8.5; to real mode and back: 9.9; to virtual-8086 mode: 20.2.
 */
#include "flip.h"

#define PG      0x80000000
#define BUSY    2                       /* of a task state segment's type: LTR sets it, and takes none that has it */
#define GP      13
#define VM      0x20000

        .text
        .globl  flip_trip
#ifdef __x86_64__
        .code64
flip_trip:
        push    %rbx
        push    %rbp
        push    %r12
        push    %r13
        push    %r14
        push    %r15
        pushfq
        movq    %rsp, AREA_SP(%rdi)
        sgdt    AREA_OLD_GDT(%rdi)
        sidt    AREA_OLD_IDT(%rdi)
        str     AREA_TR(%rdi)
        lgdt    AREA_GDT(%rdi)
        cmpl    $MODE_COMPATIBLE, %esi
        je      1f
        ljmp    *legacy_pointer
/* Stays in long mode: pulse's own interrupts come through, on this stack. */
1:      push    %rdi
        call    load_area
        lcall   *compatible_pointer
        movl    %esp, %esp              /* upper halves are undefined now (SDM 1, 3.4.1.1) */
        pop     %rdi
        lgdt    AREA_OLD_GDT(%rdi)
        movl    $SEL_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %fs
        jmp     home
load_area:
        movl    $SEL_DATA, %eax
        movl    %eax, %fs
        movl    $SEL_SHIFTED, %eax
        movl    %eax, %es
        movl    $SEL_AREA, %eax
        movl    %eax, %ds
        ret
long:   movl    %esp, %esp
home:   popfq                           /* IOPL is still that of virtual-8086 mode */
        pop     %r15
        pop     %r14
        pop     %r13
        pop     %r12
        pop     %rbp
        pop     %rbx
        ret
        .code32
#else
flip_trip:
        push    %ebx
        push    %ebp
        push    %esi
        push    %edi
        pushfl
        movl    24(%esp), %edi
        movl    28(%esp), %esi
        movl    %esp, AREA_SP(%edi)
        sgdt    AREA_OLD_GDT(%edi)
        sidt    AREA_OLD_IDT(%edi)
        str     AREA_TR(%edi)
        lgdt    AREA_GDT(%edi)
#endif

/* 32 bits from here on, %edi the area. Without paging there is no long mode either. */
legacy: movl    %cr0, %eax
        movl    %eax, AREA_CR0(%edi)
        andl    $~PG, %eax
        movl    %eax, %cr0
        lidt    AREA_IDT(%edi)
        andb    $~BUSY, SEL_FLIP_TSS + 5(%edi)
        movl    $SEL_FLIP_TSS, %eax
        ltr     %ax
        cmpl    $MODE_V86, %esi
        je      to_v86
        movl    $SEL_DATA, %eax
        movl    %eax, %fs
        movl    $SEL_SHIFTED, %eax
        movl    %eax, %es
        movl    $SEL_AREA, %eax
        movl    %eax, %ds
        movl    %eax, %ss
        movl    $STACK_TOP, %esp
        cmpl    $MODE_REAL, %esi
        je      to_real
        lcall   $SEL_FLIP_CODE, $at_called
        movl    AREA_SELF, %edi
        jmp     flip_back
to_real:
        ljmp    $SEL_FLIP_CODE, $at_real

to_v86: movl    AREA_SEGMENT(%edi), %eax
        leal    MONITOR_TOP(%edi), %esp
        pushl   %eax                    /* GS, FS, DS */
        pushl   %eax
        pushl   %eax
        leal    SHIFT >> 4(%eax), %edx
        pushl   %edx                    /* ES */
        pushl   %eax                    /* SS */
        pushl   $STACK_TOP
        pushl   $FLAGS_V86
        pushl   $FLIP_SEGMENT
        pushl   $at_v86
        iretl

        .globl  flip_back
flip_back:
        movl    $SEL_DATA, %eax
        movl    %eax, %ds
        movl    %eax, %es
        movl    %eax, %ss
        movl    %eax, %fs
        movl    %eax, %gs
        movl    AREA_SP(%edi), %esp
        movl    AREA_CR0(%edi), %eax
        movl    %eax, %cr0
        lgdt    AREA_OLD_GDT(%edi)
        lidt    AREA_OLD_IDT(%edi)
        movzwl  AREA_TR(%edi), %eax
        movl    AREA_OLD_GDT + 2(%edi), %edx
        andb    $~BUSY, 5(%edx, %eax)
        ltr     %ax
#ifdef __x86_64__
        ljmp    $SEL_CODE64, $long
#else
        popfl
        pop     %edi
        pop     %esi
        pop     %ebp
        pop     %ebx
        ret
#endif

/* Interrupts of protected mode without paging, and of virtual-8086 mode; see flip16.S for what becomes of them. */
        .balign STUB_BYTES
        .globl  flip_stubs
flip_stubs:
        vector = 0
        .rept 256
        .balign STUB_BYTES
        has_error = (vector == 8) | ((vector >= 10) & (vector <= 14)) | (vector == 17) /* SDM 3A, table 6-1 */
        .if     !has_error
        pushl   $0
        .endif
        pushl   $vector
        jmp     arrived
        vector = vector + 1
        .endr

#define VECTOR  8
#define EIP     16
#define FLAGS   24
arrived:
        pushl   %eax
        pushl   %ds
        movl    $SEL_AREA, %eax
        movl    %eax, %ds
        movl    VECTOR(%esp), %eax
        cmpl    $VECTOR_CALL, %eax
        je      call
        cmpl    $VECTOR_LEAVE, %eax
        je      leave
        cmpl    $GP, %eax
        je      protection
        cmpl    $0x20, %eax
        jb      exception
        movl    %eax, AREA_ARRIVED
        andl    $~INTERRUPTS, FLAGS(%esp)
        jmp     resume
call:   incl    AREA_CALLS
resume: popl    %ds
        popl    %eax
        addl    $8, %esp
        iretl

/* `hlt` faults in virtual-8086 mode (SDM 3A, 20.2.8): here it does nothing, so the time is spent there. */
protection:
        testl   $VM, FLAGS(%esp)
        jz      exception
        cmpl    $at_hlt, EIP(%esp)
        jne     exception
        incl    EIP(%esp)
        jmp     resume

exception:
        orl     $0x100, %eax
        movl    %eax, AREA_EXCEPTION
        movl    EIP(%esp), %eax
        movl    %eax, AREA_FOUND
leave:  movl    AREA_SELF, %edi
        jmp     flip_back

#ifdef __x86_64__
        .section .rodata
legacy_pointer:
        .long   legacy
        .word   SEL_CODE32
compatible_pointer:
        .long   at_called
        .word   SEL_FLIP_CODE
#endif
        .section .note.GNU-stack, "", @progbits
