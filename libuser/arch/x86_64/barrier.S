/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The barriers of mapped code. */
#include "offsets.h"

#include "arch/x86_64/macros.h"
#include <green/abi.h>

	.text

/*
 * The barriers of mapped code (stack/pin.c). Called with the convention preserve_most:
 * all general registers but r11 are kept. \fp is the last argument, the caller's
 * frame pointer. On a green stack they take but 80 bytes, and go on on the worker's;
 * a signal handler stays on its own.
 */
	.macro	BARRIER name, fp, callee
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	.ifnc	\name, green_escape_end
	cmpq	$0, %fs:GREEN_ABI_LIMIT		/* an ordinary stack: nothing moves */
	jne	2f
	ret
2:
	.endif
	.ifnb	\callee
	/* Most have the mark of greencc in front of their code (Barrier.cpp). */
	testl	$0xffc, %e\callee
	jz	3f
	movl	-4(%r\callee), %r11d
	orl	$GREEN_ABI_MARK_BIT, %r11d
	cmpl	$GREEN_ABI_MARK, %r11d
	jne	3f
	ret
3:
	.endif
	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	PUSH_PLAIN	rax, rcx, rdx, rsi, rdi, r8, r9, r10
	cld
	WORKER	1f
	ON_STACK	W_CURRENT, r10, 1f, 1f
	movq	W_SP(%r11), %rsp
1:	andq	$-16, %rsp
	movq	(%rbp), %\fp
	call	do_\name
	leaq	-64(%rbp), %rsp
	POP_PLAIN	r10, r9, r8, rdi, rsi, rdx, rcx, rax, rbp
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size	\name, . - \name
	.endm

	BARRIER	green_escape, rsi
	BARRIER	green_escape_to, rdx
	BARRIER	green_escape_loop, rdx
	BARRIER	green_escape_copy, rdx
	BARRIER	green_escape_copy_to, rcx
	BARRIER	green_escape_lend, rdx, si
	BARRIER	green_escape_end, rdi
	BARRIER	green_escape_dead, rdx
	BARRIER	green_escape_all, rdi

/*
 * From green_lend_*: hold those of the six registers that mask r11 has bits for, if
 * they point into the stack, then go to r10. What may be arguments is kept.
 */
	.globl	green_lend_hold
	.hidden	green_lend_hold
	.type	green_lend_hold, @function
	.p2align 4
green_lend_hold:
	.cfi_startproc
	cmpq	$0, %fs:GREEN_ABI_LIMIT		/* an ordinary stack */
	jne	1f
	jmp	*%r10
1:	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	PUSH_PLAIN	rax, r10, rdi, rsi, rdx, rcx, r8, r9
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7
	movups	%xmm\i, -192 + 16 * \i(%rbp)
	.endr
	leaq	-192(%rbp), %rsp
	leaq	-64(%rbp), %rdi
	movl	%r11d, %esi
	movq	%r10, %rdx
	movq	(%rbp), %rcx
	cld
	WORKER	1f
	ON_STACK	W_CURRENT, r10, 1f, 1f
	movq	W_SP(%r11), %rsp
1:	andq	$-16, %rsp
	call	do_green_lend
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7
	movups	-192 + 16 * \i(%rbp), %xmm\i
	.endr
	leaq	-64(%rbp), %rsp
	POP_PLAIN	r9, r8, rcx, rdx, rsi, rdi, r10, rax, rbp
	.cfi_def_cfa rsp, 8
	jmp	*%r10
	.cfi_endproc
	.size	green_lend_hold, . - green_lend_hold

/*
 * void green_landed(void): mapped code calls it where setjmp() or its like has returned
 * and there is a limit, with the convention preserve_most. If whoever jumped there did
 * not come by longjmp.S, this is the first to see it.
 */
	.globl	green_landed
	.type	green_landed, @function
	.p2align 4
green_landed:
	.cfi_startproc
	WORKER	1f
	ON_STACK	W_RUNNING, r11, 2f, 2f
1:	ret
2:	pushq	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset rbp, -16
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	PUSH_PLAIN	rax, rcx, rdx, rsi, rdi, r8, r9, r10
	andq	$-16, %rsp
	leaq	8(%rbp), %rdi
	call	green_grows_at
	WORKER
	movq	W_RUNNING(%r11), %r11
	testq	%r11, %r11
	jz	3f
	movq	T_LIMIT(%r11), %r11
	movq	%r11, %fs:GREEN_ABI_LIMIT
3:	leaq	-64(%rbp), %rsp
	POP_PLAIN	r10, r9, r8, rdi, rsi, rdx, rcx, rax, rbp
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size	green_landed, . - green_landed

	.section .note.GNU-stack, "", @progbits
