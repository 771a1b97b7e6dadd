/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The way into the runtime, and out of it to a thread.
 *
 * A public call green_NAME(args) is a stub that loads the address of rt_NAME
 * and enters: the callee-saved registers are pushed on the green stack
 * (struct green_saved), the thread's sp is recorded, and rt_NAME runs on
 * the worker's stack with the arguments still in their registers. Arguments
 * are therefore at most six words, all in registers.
 *
 * If the thread is still current when rt_NAME returns, its value is
 * returned to it; the stack may have moved meanwhile, so sp is read afresh. If
 * nobody is, it is parked: the scheduler picks another thread and that one's pending
 * call returns its ret. If another thread is current by then, rt_NAME has picked that
 * itself. The frames of the runtime are gone then; nothing on the worker's stack survives
 * a park.
 *
 * Registers here: rbx the worker; r12d and r13w the control words, mxcsr and the x87's; r14
 * the thread.
 *
 * Unwinders may come from a signal handler, at any instruction. So the call frame
 * information is right at each, and its rule for the runtime reads memory: from the
 * worker's stack one gets to the current thread's green_saved, wherever that has been
 * moved to, or if nobody is current to the OS thread's. So who frees, seals or moves
 * the stack of a thread does it while that is not current (green_hide()). What a
 * thread's call may return to, though nobody has called from there, is preceded by a
 * nop with the same rules: unwinders look in front of a return address.
 */
#include "offsets.h"

#include "arch/x86_64/macros.h"
#include <green/abi.h>

	.text

/*
 * A stub. Its map lets it be deferred; it leaves no frame on a green stack. A fast one asks
 * first whether the runtime is needed (calls.def).
 */
	.macro	STUB name, nr_args, kinds, fast=0
	.globl	green_\name
	.type	green_\name, @function
	.p2align 4
green_\name:
	.cfi_startproc
	.if	\fast
	testb	$1, %dil
	jz	1f
	PUSH	rdi, rsi
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	rt_\name\()_here
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	POP	rsi, rdi
	testl	%eax, %eax
	js	1f
	ret
1:
	.endif
	leaq	rt_\name(%rip), %rax
	jmp	green_enter
	.cfi_endproc
	MAP	green_\name, \nr_args, \kinds
	MAP_END	green_\name
	.endm

#define CALL(returns, name, parameters, nr_args, kinds, outside) STUB name, nr_args, kinds;
#define FAST(returns, name, parameters, nr_args, kinds, outside)		\
	STUB name, nr_args, kinds, 1;
#define INNER(returns, name, parameters, nr_args, kinds, outside)		\
	.hidden green_##name;							\
	STUB name, nr_args, kinds;
#include <green/calls.def>

/*
 * void green_stack_grow(uint64_t need, uint64_t taken): called by the entry
 * checks of mapped functions. A signal handler on its alternate stack may stand
 * below the limit too: that is no stack of ours, and none to grow. If rsp is in an
 * older segment, frames were left in another way: leave.c.
 */
	.globl	green_stack_grow
	.type	green_stack_grow, @function
	.p2align 4
green_stack_grow:
	.cfi_startproc
	WORKER	1f
	ON_STACK	W_RUNNING, r10, 2f, 2f
3:	leaq	rt_stack_grow(%rip), %rax
	jmp	green_enter
1:	ret
2:	PUSH	rdi, rsi
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	leaq	24(%rsp), %rdi
	call	green_grows_at
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	POP	rsi, rdi
	testb	%al, %al
	jnz	3b
	ret
	.cfi_endproc
	.size	green_stack_grow, . - green_stack_grow

/*
 * uintptr_t green_stack_depth_frame(void): what mapped code has in the place of its
 * frame's address. The caller has a frame pointer, as all mapped code that makes calls.
 */
	.globl	green_stack_depth_frame
	.type	green_stack_depth_frame, @function
	.p2align 4
green_stack_depth_frame:
	.cfi_startproc
	movq	%rbp, %rdi
	jmp	green_stack_depth_address
	.cfi_endproc
	.size	green_stack_depth_frame, . - green_stack_depth_frame

/*
 * Not a green thread: rax is what was called, and says what it returns, or what is called in
 * its place. The arguments are in their registers.
 */
	.macro	OUTSIDE name, what
	.ifc	\what, INBOX
	leaq	rt_\name(%rip), %r10
	cmpq	%r10, %rax
	je	rt_\name\()_outside
	.endif
	.ifc	\what, ZERO
	leaq	rt_\name(%rip), %r10
	cmpq	%r10, %rax
	je	1f
	.endif
	.endm

	.p2align 4
not_green:
	.cfi_startproc
#define CALL(returns, name, parameters, nr_args, kinds, outside) OUTSIDE name, outside;
#define FAST CALL
#define INNER CALL
#include <green/calls.def>
	movq	$-1, %rax
	ret
1:	xorl	%eax, %eax
	ret
	.cfi_endproc

/* rsp: a green_saved; its words, and where they stay. */
	.macro	CONTROL_WORDS
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movl	(%rsp), %r12d
	movzwl	4(%rsp), %r13d
	.endm

/* rax: the function; the rest as its caller left it. */
	/* A library's ways out (lend.S) must not stand in for libgreen's. */
	.reloc	., R_X86_64_NONE, green_ways_out
	.type	green_enter, @function
	.p2align 4
green_enter:
	.cfi_startproc
	WORKER	not_green
	ON_STACK	W_RUNNING, r10, 7f, 7f
6:
	SAVE	rbp, rbx, r12, r13, r14, r15
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	CONTROL_WORDS
	movq	%r11, %rbx
	movq	%r10, %r14
	movq	%rsp, T_SP(%r10)
	movq	W_SP(%r11), %rsp
	CFI_RUNTIME
	movq	$0, W_RUNNING(%r11)
	xorl	%ebp, %ebp
	cmpl	$0, green_frozen(%rip)
	jne	3f
0:	call	*%rax
	movq	W_CURRENT(%rbx), %r10
	cmpq	%r14, %r10
	jne	4f
	movq	%rax, T_RET(%r10)
5:	cmpq	$0, W_AFTER(%rbx)
	jne	2f
1:	movq	%r10, W_RUNNING(%rbx)
	movq	T_SP(%r10), %rsp
	.cfi_def_cfa rsp, SAVED_SIZE
	movq	T_LIMIT(%r10), %r11
	movq	%r11, %fs:GREEN_ABI_LIMIT
	movq	T_RET(%r10), %rax
	jmp	green_leave_with
	CFI_RUNTIME
2:	movq	%rbx, %rdi
	call	green_after
	movq	W_CURRENT(%rbx), %r10
	jmp	1b
4:	testq	%r10, %r10
	jnz	5b
	jmp	green_next
3:	PUSH_PLAIN	rax, rdi, rsi, rdx, rcx, r8, r9
	subq	$8, %rsp
	call	green_wait_for_thaw
	addq	$8, %rsp
	POP_PLAIN	r9, r8, rcx, rdx, rsi, rdi, rax
	jmp	0b
	/* rsp is not where it should be; the arguments must not be lost. */
	.cfi_def_cfa rsp, 8
	.cfi_same_value rbp
	.cfi_same_value rbx
	.cfi_same_value r12
	.cfi_same_value r13
	.cfi_same_value r14
	.cfi_same_value r15
7:	PUSH	rax, rdi, rsi, rdx, rcx, r8, r9
	leaq	56(%rsp), %rdi
	call	green_is_green_at
	movl	%eax, %r10d
	POP	r9, r8, rcx, rdx, rsi, rdi, rax
	testb	%r10b, %r10b
	jz	not_green
	WORKER
	movq	W_RUNNING(%r11), %r10
	jmp	6b
	.cfi_endproc
	.size	green_enter, . - green_enter

/*
 * Nobody is current, rbx is the worker: run the scheduler and continue in what
 * it picks; NULL ends green_worker_enter(). To an unwinder it is that function:
 * what green_worker_enter() saved on the OS thread's stack is its frame.
 */
	.type	green_next, @function
	.p2align 4
green_next:
	.cfi_startproc
	CFI_RUNTIME
	movq	W_SP(%rbx), %rsp
	movq	%rbx, %rdi
	call	green_schedule
	testq	%rax, %rax
	jz	1f
	movq	%rax, %r10
	movq	%r10, W_RUNNING(%rbx)
	movq	T_LIMIT(%r10), %r11
	movq	%r11, %fs:GREEN_ABI_LIMIT
	movq	T_RET(%r10), %rax
	movq	T_SP(%r10), %rsp
	.cfi_def_cfa rsp, SAVED_SIZE
	jmp	green_leave_with
	CFI_RUNTIME
1:	xorl	%eax, %eax
	movq	%rax, %fs:GREEN_ABI_LIMIT
	movq	W_OS_SP(%rbx), %rsp
	jmp	green_leave_with
	.cfi_endproc
	.size	green_next, . - green_next

/* The thread's function has returned what is in rdi, or green_exit() is through. */
	.globl	green_thread_end
	.hidden	green_thread_end
	.type	green_thread_end, @function
	.p2align 4
green_thread_end:
	.cfi_startproc
	leaq	rt_thread_exit(%rip), %rax
	jmp	green_enter
	.cfi_endproc
	.size	green_thread_end, . - green_thread_end

/* long green_worker_enter(struct green_worker *w): until the scheduler ends. */
	.globl	green_worker_enter
	.hidden	green_worker_enter
	.type	green_worker_enter, @function
	.p2align 4
green_worker_enter:
	.cfi_startproc
	SAVE	rbp, rbx, r12, r13, r14, r15
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	CONTROL_WORDS
	movq	%rsp, W_OS_SP(%rdi)
	movq	%rdi, %rbx
	jmp	green_next
	.cfi_endproc
	.size	green_worker_enter, . - green_worker_enter

	.section .note.GNU-stack, "", @progbits
