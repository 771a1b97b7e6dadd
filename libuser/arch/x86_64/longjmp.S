/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* longjmp() and its like, in front of the C library's. */
#include "offsets.h"

#include "arch/x86_64/macros.h"
#include <green/abi.h>

	.text

/*
 * void longjmp(jmp_buf env, int val) and its like, in the place of the C library's,
 * which do the jump. Weak: a program may have its own.
 */
	.macro	LONGJMP name, nr
	.weak	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	/* Not a worker: there is nothing to leave. */
	movq	green_worker@gottpoff(%rip), %r11
	cmpq	$0, %fs:(%r11)
	jne	2f
	movq	green_next_longjmp + 8 * \nr(%rip), %rax
	testq	%rax, %rax
	jz	2f
	jmp	*%rax
2:	FRAME
	subq	$16, %rsp
	movq	%rdi, (%rsp)
	movq	%rsi, 8(%rsp)
	JMP_TARGET %rdi
	call	green_leave_frames
.L\name\()_left:
	movq	green_next_longjmp + 8 * \nr(%rip), %rax
	testq	%rax, %rax
	jnz	1f
	movl	$\nr, %edi
	call	green_find_longjmp
1:	movq	(%rsp), %rdi
	movl	8(%rsp), %esi
	leave
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	jmp	*%rax
	.cfi_endproc
	MAP	\name, 2, 0x01, 1
	SAFEPOINT \name, .L\name\()_left, 0
	MAP_END	\name
	.endm

	LONGJMP	longjmp, 0
	LONGJMP	_longjmp, 1
	LONGJMP	siglongjmp, 2
	LONGJMP	__longjmp_chk, 3

	.section .note.GNU-stack, "", @progbits
