/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Entry tests in front of a function come here. */
#include "offsets.h"

#include "arch/x86_64/macros.h"
#include <green/abi.h>

	.text

/*
 * green_stack_grow() (entry.S) for a test in front of a function, which has its arguments in
 * registers: all are kept. r11 is the caller's rsp less the need, which is 0 for
 * _none; how much of the need is a guess is in its lowest bits (grow.c). While the
 * runtime works the registers are in struct green_entry; prove.c adjusts those of them
 * that the function's map calls pointers. After _far there may be more arguments on the
 * stack, and after _fixed it must not move.
 */
	.globl	green_stack_morestack
	.type	green_stack_morestack, @function
	.globl	green_stack_morestack_none
	.type	green_stack_morestack_none, @function
	.globl	green_stack_morestack_far
	.type	green_stack_morestack_far, @function
	.globl	green_stack_morestack_fixed
	.type	green_stack_morestack_fixed, @function
	.p2align 4
green_stack_morestack_fixed:
	.cfi_startproc
	pushq	%rax
	.cfi_def_cfa_offset 16
	movl	$ENTRY_FIXED | ENTRY_FAR, %eax
	jmp	1f
green_stack_morestack_far:
	.cfi_def_cfa_offset 8
	pushq	%rax
	.cfi_def_cfa_offset 16
	movl	$ENTRY_FAR, %eax
	jmp	1f
green_stack_morestack_none:
	.cfi_def_cfa_offset 8
	leaq	8(%rsp), %r11
green_stack_morestack:
	pushq	%rax
	.cfi_def_cfa_offset 16
	xorl	%eax, %eax
1:
	PUSH	rdi, rsi, rdx, rcx, r8, r9
	pushq	%r10			/* the callee, in lend.S */
	.cfi_adjust_cfa_offset 8
	subq	$136, %rsp
	.cfi_adjust_cfa_offset 136
	movups	%xmm0, (%rsp)
	movups	%xmm1, 16(%rsp)
	movups	%xmm2, 32(%rsp)
	movups	%xmm3, 48(%rsp)
	movups	%xmm4, 64(%rsp)
	movups	%xmm5, 80(%rsp)
	movups	%xmm6, 96(%rsp)
	movups	%xmm7, 112(%rsp)
	movq	%rax, ENTRY_FLAGS(%rsp)
	leaq	ENTRY_SIZE(%rsp), %rdi
	subq	%r11, %rdi
	movq	$-1, %rsi
	WORKER	green_stack_morestack_return
	call	*W_GROW(%r11)
	.globl	green_stack_morestack_return
	.hidden	green_stack_morestack_return
green_stack_morestack_return:
	movups	(%rsp), %xmm0
	movups	16(%rsp), %xmm1
	movups	32(%rsp), %xmm2
	movups	48(%rsp), %xmm3
	movups	64(%rsp), %xmm4
	movups	80(%rsp), %xmm5
	movups	96(%rsp), %xmm6
	movups	112(%rsp), %xmm7
	addq	$136, %rsp
	.cfi_adjust_cfa_offset -136
	POP	r10, r9, r8, rcx, rdx, rsi, rdi, rax
	ret
	.cfi_endproc
	.size	green_stack_morestack, . - green_stack_morestack

	.section .note.GNU-stack, "", @progbits
