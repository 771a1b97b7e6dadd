/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The end of a segment. */
#include "offsets.h"

#include "arch/x86_64/macros.h"
#include <green/abi.h>

	.text

/*
 * The return address of a segment's first function: GREEN_ABI_NEAR bytes above rsp
 * is its struct green_segment, or GREEN_ABI_FAR. All that may hold a result is
 * kept.
 */
	.globl	green_segment_leave
	.hidden	green_segment_leave
	.globl	green_segment_leave_far
	.hidden	green_segment_leave_far
	.p2align 4
	.type	green_segment_join_far, @function
green_segment_join_far:
	.cfi_startproc
	/* DW_CFA_def_cfa_expression: *(rsp + GREEN_ABI_FAR + S_SP) + 8 */
	.cfi_escape 0x0f, 6, 0x77, 0x98, 0x20, 0x06, 0x23, 8
	/* DW_CFA_expression of rbp: rsp + GREEN_ABI_FAR + S_RBP */
	.cfi_escape 0x10, 6, 3, 0x77, 0xb0, 0x20
	nop			/* unwinders look in front of a return address */
green_segment_leave_far:
	addq	$GREEN_ABI_FAR - GREEN_ABI_NEAR, %rsp
	/* ... as in green_segment_join */
	.cfi_escape 0x0f, 6, 0x77, 0xe8, 0x00, 0x06, 0x23, 8
	.cfi_escape 0x10, 6, 3, 0x77, 0x80, 0x01
	jmp	green_segment_leave
	.cfi_endproc
	.size	green_segment_join_far, . - green_segment_join_far

	.type	green_segment_join, @function
green_segment_join:
	.cfi_startproc
	/* ... *(rsp + GREEN_ABI_NEAR + S_SP) + 8 */
	.cfi_escape 0x0f, 6, 0x77, 0xe8, 0x00, 0x06, 0x23, 8
	.cfi_escape 0x10, 6, 3, 0x77, 0x80, 0x01
	nop
green_segment_leave:
	addq	$GREEN_ABI_NEAR, %rsp
	/* *(rsp + S_SP) + 8 */
	.cfi_escape 0x0f, 5, 0x77, S_SP, 0x06, 0x23, 8
	.cfi_escape 0x10, 6, 2, 0x77, S_RBP
	WORKER
	movq	W_CURRENT(%r11), %r10
	/* Newer ones that were left in another way, and then this one. */
1:	movq	T_SEGMENT(%r10), %rcx
	movq	T_SLOT(%r10), %r11
	movq	T_RARE(%r10), %r8		/* there is one: it has segments */
	movq	R_SPARE(%r8), %r9
	movq	%r9, SLOT_NEXT(%r11)
	movq	%r11, R_SPARE(%r8)
	movq	S_SLOT(%rcx), %r11
	movq	%r11, T_SLOT(%r10)
	movq	S_OUTER(%rcx), %r11
	movq	%r11, T_SEGMENT(%r10)
	cmpq	%rcx, %rsp
	jne	1b
	movq	S_LO(%rsp), %r11
	movq	%r11, T_LO(%r10)
	movq	S_HI(%rsp), %r11
	movq	%r11, T_HI(%r10)
	movq	S_LIMIT(%rsp), %r11
	movq	%r11, T_LIMIT(%r10)
	movq	%r11, %fs:GREEN_ABI_LIMIT
	movq	S_RBP(%rsp), %rbp
	.cfi_same_value rbp
	movq	S_SP(%rsp), %rsp
	.cfi_def_cfa rsp, 8
	ret
	.cfi_endproc
	.size	green_segment_join, . - green_segment_join

	.section .note.GNU-stack, "", @progbits
