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

/* The same in front of a function: its arguments stay in their registers. */
	.globl	green_stack_morestack
	.globl	green_stack_morestack_far
	.globl	green_stack_morestack_none
	.globl	green_stack_morestack_fixed
	.globl	green_stack_morestack_return
	.type	green_stack_morestack, @function
green_stack_morestack_none:
	leaq	8(%rsp), %r11
green_stack_morestack:
green_stack_morestack_far:
green_stack_morestack_fixed:
	pushq	%rax
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%r8
	pushq	%r9
	pushq	%r10
	subq	$136, %rsp
	movups	%xmm0, (%rsp)
	movups	%xmm1, 16(%rsp)
	movups	%xmm2, 32(%rsp)
	movups	%xmm3, 48(%rsp)
	movups	%xmm4, 64(%rsp)
	movups	%xmm5, 80(%rsp)
	movups	%xmm6, 96(%rsp)
	movups	%xmm7, 112(%rsp)
	leaq	208(%rsp), %rdi
	subq	%r11, %rdi
	call	green_stack_grow
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
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	popq	%rax
	ret
	.size	green_stack_morestack, .-green_stack_morestack

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
	BARRIER	green_escape, rsi
	BARRIER	green_escape_to, rdx
	BARRIER	green_escape_loop, rdx
	BARRIER	green_escape_copy, rdx
	BARRIER	green_escape_copy_to, rcx
	BARRIER	green_escape_lend, rdx
	BARRIER	green_escape_end, rdi
	BARRIER	green_escape_dead, rdx
	BARRIER	green_escape_all, rdi

/* From libuser/arch/x86_64/lend.S: r10 is the callee, r11 a mask of its arguments. */
	.globl	green_lend_hold
	.type	green_lend_hold, @function
green_lend_hold:
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%rax
	pushq	%r10
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%r8
	pushq	%r9
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7
	movups	%xmm\i, -192 + 16 * \i(%rbp)
	.endr
	leaq	-192(%rbp), %rsp
	leaq	-64(%rbp), %rdi
	movl	%r11d, %esi
	movq	%r10, %rdx
	andq	$-16, %rsp
	call	do_green_lend
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7
	movups	-192 + 16 * \i(%rbp), %xmm\i
	.endr
	leaq	-64(%rbp), %rsp
	popq	%r9
	popq	%r8
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
	popq	%r10
	popq	%rax
	popq	%rbp
	jmp	*%r10
	.size	green_lend_hold, .-green_lend_hold

	.local	saved_sp
	.comm	saved_sp, 8, 8
	.local	helper_stack
	.bss
	.p2align 12
helper_stack:
	.zero	262144
helper_stack_end:
	.section	.note.GNU-stack, "", @progbits
