/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What compiled code calls, for programs without libgreen: greencc links this
 * behind everything else. All is weak, so libgreen's are taken wherever they are,
 * those of the program before those of a library that it loads.
 *
 * On an ordinary stack the word at %fs:0x70 is 0, and nothing is to be done. If it
 * is not, there is a libgreen that cannot be reached from here.
 */
#include "../../include/green/abi.h"

	.macro	STUB name
	.weak	\name
	.type	\name, @function
\name:
	.endm

	.text
	STUB	green_stack_grow
	STUB	green_stack_morestack
	STUB	green_stack_morestack_none
	STUB	green_stack_morestack_far
	STUB	green_stack_morestack_fixed
	STUB	green_escape
	STUB	green_escape_to
	STUB	green_escape_loop
	STUB	green_escape_copy
	STUB	green_escape_copy_to
	STUB	green_escape_lend
	STUB	green_escape_end
	STUB	green_escape_dead
	STUB	green_escape_all
	STUB	green_landed
	STUB	green_leave_frames
	.cfi_startproc
	cmpq	$0, %fs:GREEN_ABI_LIMIT
	jne	1f
	ret
	/* write(2, message, sizeof(message)); abort() would need a library. */
1:	movl	$1, %eax
	movl	$2, %edi
	leaq	.Lmessage(%rip), %rsi
	movl	$.Lmessage_end - .Lmessage, %edx
	syscall
	ud2
	.cfi_endproc

/* The depth of what lies on one stack that never moves is its address. */
	STUB	green_stack_depth_frame
	.cfi_startproc
	movq	%rbp, %rdi
	.cfi_endproc
	STUB	green_stack_depth_address
	.cfi_startproc
	cmpq	$0, %fs:GREEN_ABI_LIMIT
	jne	1b
	movq	%rdi, %rax
	ret
	.cfi_endproc

/* The ways out (libuser/arch/x86_64/lend.S): r10 is where to. */
	.altmacro
	.macro	WAYS mask
	STUB	green_lend_\mask
	STUB	green_lend_far_\mask
	STUB	green_need_\mask
	.endm
	.set	mask, 0
	.rept	64
	WAYS	%mask
	.set	mask, mask + 1
	.endr
	STUB	green_need_far
	.cfi_startproc
	cmpq	$0, %fs:GREEN_ABI_LIMIT
	jne	1b
	jmp	*%r10
	.cfi_endproc

	.section .rodata.str1.1, "aMS", @progbits, 1
.Lmessage:
	.ascii	"green: a library does not find libgreen: link the program by greencc, "
	.ascii	"or with -rdynamic\n"
.Lmessage_end:
	.byte	0

	/* Where other files' functions are called by second names: ways.h. */
	.section .rodata, "a", @progbits
	.p2align 2
	.hidden	green_ways_checked
	.long	green_ways_checked - .

	.section .tdata, "awT", @progbits
	.p2align 3
	.weak	green_escape_low
	.type	green_escape_low, @object
	.size	green_escape_low, 8
green_escape_low:
	.quad	-1

	.section .note.GNU-stack, "", @progbits
