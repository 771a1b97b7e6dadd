/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where a green thread begins, and where its stack ends. These labels, like those of
 * growth.S, join.S and try.S, are what walkers of frames know; so that nothing below
 * depends on what stands above it, the ways up are in the worker (struct green_doors).
 */
#include "offsets.h"

#include "arch/x86_64/macros.h"
#include <green/abi.h>

	.text

/*
 * The first frame of a green thread, which begins at _entry: rbx the function, r12 its
 * argument. Its return address is where every walk of a stack ends.
 */
	.globl	green_thread_entry
	.hidden	green_thread_entry
	.globl	green_thread_start
	.hidden	green_thread_start
	.globl	green_thread_base
	.hidden	green_thread_base
	.type	green_thread_start, @function
	.p2align 4
green_thread_start:
	.cfi_startproc
	.cfi_undefined rip
	nop
green_thread_entry:
	xorl	%ebp, %ebp
	movq	%r12, %rdi
	call	*%rbx
green_thread_base:
	movq	%rax, %rdi
	WORKER
	movq	W_CURRENT(%r11), %rax
	movq	T_RARE(%rax), %rax
	testq	%rax, %rax
	jz	2f
	cmpq	$0, R_VALUES(%rax)
	jne	1f
2:	call	*W_END(%r11)
	ud2
1:	leaq	green_thread_base(%rip), %rax	/* comes back as the function did */
	pushq	%rax
	jmp	*W_DESTROY(%r11)
	.cfi_endproc
	.size	green_thread_start, . - green_thread_start

/*
 * The call that a cancelled thread waits in returns here: as if its caller had called
 * green_exit() in its place.
 */
	.globl	green_cancelled
	.hidden	green_cancelled
	.type	green_cancelled_start, @function
	.p2align 4
green_cancelled_start:
	.cfi_startproc
	nop			/* unwinders look in front of a return address */
green_cancelled:
	WORKER
	jmp	*W_EXIT(%r11)
	.cfi_endproc
	.size	green_cancelled_start, . - green_cancelled_start

	.section .note.GNU-stack, "", @progbits
