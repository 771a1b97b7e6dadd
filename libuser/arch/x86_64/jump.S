/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What is in a jmp_buf of glibc. */
#include "offsets.h"

#include "arch/x86_64/macros.h"
#include <green/abi.h>

	.text

	.globl	green_jmp_target
	.hidden	green_jmp_target
	.type	green_jmp_target, @function
green_jmp_target:
	.cfi_startproc
	JMP_TARGET %rdi
	movq	%rdi, %rax
	ret
	.cfi_endproc
	.size	green_jmp_target, . - green_jmp_target

/*
 * void green_jump(const void *env, int val): what longjmp() does in the end. Nobody
 * returns from there.
 */
	.globl	green_jump
	.hidden	green_jump
	.type	green_jump, @function
green_jump:
	.cfi_startproc
	movl	%esi, %eax
	movq	8(%rdi), %rcx
	movq	48(%rdi), %r8
	movq	56(%rdi), %rdx
	DEMANGLE %rcx
	DEMANGLE %r8
	DEMANGLE %rdx
	.cfi_undefined rip
	movq	(%rdi), %rbx
	movq	16(%rdi), %r12
	movq	24(%rdi), %r13
	movq	32(%rdi), %r14
	movq	40(%rdi), %r15
	movq	%rcx, %rbp
	movq	%r8, %rsp
	jmp	*%rdx
	.cfi_endproc
	.size	green_jump, . - green_jump

	.section .note.GNU-stack, "", @progbits
