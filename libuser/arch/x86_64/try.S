/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* green_try(). */
#include "offsets.h"

#include "arch/x86_64/macros.h"
#include <green/abi.h>

	.text

/*
 * const char *green_try(void (*fn)(void *), void *arg): its frame is a struct
 * green_try, whose green_saved is what a runtime call would have left in its
 * place. So a panic ends here by setting sp to it: green_try() returns like
 * any call. For the same reason it ends in green_leave itself.
 */
	.globl	green_try
	.type	green_try, @function
	.p2align 4
green_try:
	.cfi_startproc
	movq	%rdi, %rax
	movq	%rsi, %rdi
	movq	green_worker@gottpoff(%rip), %r11
	FRAME
	pushq	%rbx
	.cfi_offset rbx, -24
	pushq	%r12
	.cfi_offset r12, -32
	pushq	%r13
	.cfi_offset r13, -40
	pushq	%r14
	.cfi_offset r14, -48
	pushq	%r15
	.cfi_offset r15, -56
	subq	$8, %rsp
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%fs:(%r11), %r11
	testq	%r11, %r11
	jz	1f
	movq	W_CURRENT(%r11), %r10
	testq	%r10, %r10
	jz	1f
	pushq	T_TRY(%r10)
	movq	T_RARE(%r10), %r11
	testq	%r11, %r11
	jz	2f
	movq	R_PANICS(%r11), %r11
2:	pushq	%r11
	movq	%rsp, T_TRY(%r10)
	call	*%rax
	.globl	green_try_call
	.hidden	green_try_call
green_try_call:
	WORKER
	movq	W_CURRENT(%r11), %r10
	addq	$8, %rsp
	popq	T_TRY(%r10)
	xorl	%eax, %eax
	jmp	green_leave
1:	call	green_outside
	ud2
	.cfi_endproc
	MAP	green_try, 2, 0x0101, 1
	SAFEPOINT green_try, green_try_call, 8
	MAP_END	green_try

	.section .note.GNU-stack, "", @progbits
