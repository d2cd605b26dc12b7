/* SPDX-License-Identifier: Apache-2.0 */
/* What a Multiboot loader finds: its header, and where it begins (Multiboot 0.6.96, 3.1). */
#define MAGIC 0x1badb002
#define FLAGS 0x3 /* modules on pages, memory told */

	.section .multiboot, "a"
	.align 4
	.long MAGIC, FLAGS, -(MAGIC + FLAGS)

	.text
	.globl _start
_start:
	mov $stack, %esp
	push %ebx
	call main
	mov %eax, %ebx		/* hvm_start_info, as PVH has it */
	mov $ENTRY, %eax
	jmp *%eax

	.bss
	.align 16
	.skip 4096
stack:
	.section .note.GNU-stack, "", @progbits
