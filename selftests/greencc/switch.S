/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
	.text

/* void green_test_move(void): the work is done on another stack. */
	.globl	green_test_move
	.type	green_test_move, @function
green_test_move:
	xorl	%esi, %esi
	jmp	1f
	.size	green_test_move, .-green_test_move

/* void green_stack_grow(uint64_t need) */
	.globl	green_stack_grow
	.type	green_stack_grow, @function
green_stack_grow:
	movq	%rdi, %rsi
	addq	$1, %rsi
1:	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, %rdi
	leaq	helper_stack_end(%rip), %rsp
	call	move_stack
	movq	%rax, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
	.size	green_stack_grow, .-green_stack_grow

/* int run_on_stack(void *top, int (*fn)(void)) */
	.globl	run_on_stack
	.globl	run_on_stack_return
	.type	run_on_stack, @function
run_on_stack:
	pushq	%rbp
	pushq	%rbx
	movq	%rsp, saved_sp(%rip)
	movq	%rdi, %rsp
	xorl	%ebp, %ebp
	call	*%rsi
run_on_stack_return:
	movq	saved_sp(%rip), %rsp
	popq	%rbx
	popq	%rbp
	ret
	.size	run_on_stack, .-run_on_stack

/* The barrier: keeps all general registers but r11. */
	.macro	BARRIER name, arg
	.globl	\name
	.type	\name, @function
\name:
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%rax
	pushq	%rcx
	pushq	%rdx
	pushq	%rsi
	pushq	%rdi
	pushq	%r8
	pushq	%r9
	pushq	%r10
	andq	$-16, %rsp
	movq	(%rbp), %\arg
	call	do_\name
	leaq	-64(%rbp), %rsp
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rdi
	popq	%rsi
	popq	%rdx
	popq	%rcx
	popq	%rax
	popq	%rbp
	ret
	.size	\name, .-\name
	.endm
	BARRIER	green_escape, rdx
	BARRIER	green_escape_copy, rcx
	BARRIER	green_escape_end, rdi

	.local	saved_sp
	.comm	saved_sp, 8, 8
	.local	helper_stack
	.bss
	.p2align 12
helper_stack:
	.zero	262144
helper_stack_end:
	.section	.note.GNU-stack, "", @progbits
