/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The way into the runtime, and the switch.
 *
 * A public call green_NAME(args) is a stub that loads the address of rt_NAME
 * and enters: the callee-saved registers are pushed on the green stack
 * (struct green_saved), the thread's sp is recorded, and rt_NAME runs on
 * the worker's stack with the arguments still in their registers. Arguments
 * are therefore at most six words, all in registers.
 *
 * If the thread is still current when rt_NAME returns, its value is
 * returned to it; the stack may have moved meanwhile, so sp is read afresh. If
 * not, it is parked: the scheduler picks another thread and that one's pending
 * call returns its ret. The frames of the runtime are gone then; nothing on
 * the worker's stack survives a park.
 *
 * Registers here: rbx the worker.
 *
 * Unwinders may come from a signal handler, at any instruction. So the call frame
 * information is right at each, and its rule for the runtime reads memory: from the
 * worker's stack one gets to the current thread's green_saved, wherever that has been
 * moved to, or if nobody is current to the OS thread's. So who frees, seals or moves
 * the stack of a thread does it while that is not current (green_hide()). What a
 * thread's call may return to, though nobody has called from there, is preceded by a
 * nop with the same rules: unwinders look in front of a return address.
 */
#include "internal.h"

	.text

/* rbx: the worker, rsp: its stack. The caller's frame is that of a green_saved. */
	.macro	CFI_RUNTIME
	/* DW_CFA_def_cfa_expression: breg3 W_FRAMES, deref, deref, plus_uconst SAVED_SIZE */
	.cfi_escape 0x0f, 6, 0x73, W_FRAMES, 0x06, 0x06, 0x23, SAVED_SIZE
	CFI_SAVED
	.endm

	.macro	CFI_SAVED
	.cfi_offset rbp, -16
	.cfi_offset rbx, -24
	.cfi_offset r12, -32
	.cfi_offset r13, -40
	.cfi_offset r14, -48
	.cfi_offset r15, -56
	.endm

/*
 * Registers in a row. SAVE and RESTORE are for the caller's, which unwinders want; the
 * plain ones for where the frame is not found by rsp.
 */
	.macro	PUSH_PLAIN regs:vararg
	.irp	reg, \regs
	pushq	%\reg
	.endr
	.endm

	.macro	POP_PLAIN regs:vararg
	.irp	reg, \regs
	popq	%\reg
	.endr
	.endm

	.macro	PUSH regs:vararg
	.irp	reg, \regs
	pushq	%\reg
	.cfi_adjust_cfa_offset 8
	.endr
	.endm

	.macro	POP regs:vararg
	.irp	reg, \regs
	popq	%\reg
	.cfi_adjust_cfa_offset -8
	.endr
	.endm

	.macro	SAVE regs:vararg
	.irp	reg, \regs
	pushq	%\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endr
	.endm

	.macro	RESTORE regs:vararg
	.irp	reg, \regs
	popq	%\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
	.endr
	.endm

/*
 * A hand-written pointer map of \name, which ends here. Kinds: a byte an
 * argument, first lowest. Safepoints follow, then MAP_END.
 */
	.macro	MAP name, nr_args=0, kinds=0, nr_safepoints=0
.Lend_\name:
	.size	\name, . - \name
	.pushsection .rodata.str1.1, "aMS", @progbits, 1
.Lname_\name:
	.string	"\name"
	.popsection
	.pushsection green_maps, "a", @progbits
	.p2align 2
.Lmap_\name:
	.long	.Lmap_end_\name - .Lmap_\name
	.long	1				/* GREEN_MAP_VERSION */
	.long	\name - .
	.long	.Lend_\name - \name
	.long	.Lname_\name - .
	.long	7				/* VERIFIED | ARGS | LOCALS */
	.long	\nr_args, 0, \nr_safepoints
	.if	\nr_args
	.long	(\kinds) & 0xffffffff
	.endif
	.if	\nr_args > 4
	.long	(\kinds) >> 32
	.endif
	.endm

/* The call that returns to \at; the offset from rsp there of a pointer's word. */
	.macro	SAFEPOINT name, at, slot
	.ifb	\slot
	.long	\at - \name, 0
	.else
	.long	\at - \name, 1, \slot
	.endif
	.endm

	.macro	MAP_END name
.Lmap_end_\name:
	.popsection
	.endm

/* A stub. Its map lets it be deferred; it leaves no frame on a green stack. */
	.macro	STUB name, nr_args, kinds
	.globl	green_\name
	.type	green_\name, @function
	.p2align 4
green_\name:
	.cfi_startproc
	leaq	rt_\name(%rip), %rax
	jmp	green_enter
	.cfi_endproc
	MAP	green_\name, \nr_args, \kinds
	MAP_END	green_\name
	.endm

#define CALL(returns, name, parameters, nr_args, kinds, outside) STUB name, nr_args, kinds;
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
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
	testq	%r11, %r11
	jz	1f
	movq	W_RUNNING(%r11), %r10
	testq	%r10, %r10
	jz	2f
	cmpq	T_HI(%r10), %rsp
	jae	2f
	cmpq	T_LO(%r10), %rsp
	jb	2f
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
 * The same for a test in front of a function, which has its arguments in
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
	call	green_stack_grow
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
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
	movq	W_CURRENT(%r11), %r10
	/* Newer ones that were left in another way, and then this one. */
1:	movq	T_SEGMENT(%r10), %rcx
	movq	T_SLOT(%r10), %r11
	movq	T_SPARE(%r10), %r9
	movq	%r9, SLOT_NEXT(%r11)
	movq	%r11, T_SPARE(%r10)
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

/*
 * The barriers of mapped code (escape.c). Called with the convention preserve_most:
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
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
	testq	%r11, %r11
	jz	1f
	movq	W_CURRENT(%r11), %r10
	testq	%r10, %r10
	jz	1f
	cmpq	T_HI(%r10), %rsp
	jae	1f
	cmpq	T_LO(%r10), %rsp
	jb	1f
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
	BARRIER	green_escape_all, rdi

/*
 * From green_lend_*: hold those of the six registers that mask r11 has bits for, if
 * they point into the stack, then go to r10. What may be arguments is kept.
 */
	/* Those of a library must not stand in for libgreen's. */
	.reloc	., R_X86_64_NONE, green_ways_out
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
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
	testq	%r11, %r11
	jz	1f
	movq	W_CURRENT(%r11), %r10
	testq	%r10, %r10
	jz	1f
	cmpq	T_HI(%r10), %rsp
	jae	1f
	cmpq	T_LO(%r10), %rsp
	jb	1f
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

/* Not a green thread: rax is what was called, and says what it returns. */
	.macro	OUTSIDE name, what
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
#define INNER CALL
#include <green/calls.def>
	movq	$-1, %rax
	ret
1:	xorl	%eax, %eax
	ret
	.cfi_endproc

/* rax: the function; the rest as its caller left it. */
	.type	green_enter, @function
	.p2align 4
green_enter:
	.cfi_startproc
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
	testq	%r11, %r11
	jz	not_green
	movq	W_RUNNING(%r11), %r10
	testq	%r10, %r10
	jz	7f
	cmpq	T_HI(%r10), %rsp
	jae	7f
	cmpq	T_LO(%r10), %rsp
	jb	7f
6:
	SAVE	rbp, rbx, r12, r13, r14, r15
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%r11, %rbx
	movq	%rsp, T_SP(%r10)
	movq	W_SP(%r11), %rsp
	CFI_RUNTIME
	movq	$0, W_RUNNING(%r11)
	xorl	%ebp, %ebp
	cmpl	$0, green_shared(%rip)
	jne	3f
0:	call	*%rax
	movq	W_CURRENT(%rbx), %r10
	testq	%r10, %r10
	jz	green_next
	movq	%rax, T_RET(%r10)
	cmpq	$0, W_AFTER(%rbx)
	jne	2f
1:	cmpl	$0, green_shared(%rip)
	jne	4f
5:	movq	%r10, W_RUNNING(%rbx)
	movq	T_SP(%r10), %rsp
	.cfi_def_cfa rsp, SAVED_SIZE
	movq	T_LIMIT(%r10), %r11
	movq	%r11, %fs:GREEN_ABI_LIMIT
	movq	T_RET(%r10), %rax
	jmp	green_leave
	CFI_RUNTIME
2:	movq	%rbx, %rdi
	call	green_after
	movq	W_CURRENT(%rbx), %r10
	jmp	1b
3:	PUSH_PLAIN	rax, rdi, rsi, rdx, rcx, r8, r9
	subq	$8, %rsp
	call	green_lock
	addq	$8, %rsp
	POP_PLAIN	r9, r8, rcx, rdx, rsi, rdi, rax
	jmp	0b
4:	call	green_unlock
	movq	W_CURRENT(%rbx), %r10
	jmp	5b
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
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
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
	jmp	green_leave
	CFI_RUNTIME
1:	xorl	%eax, %eax
	movq	%rax, %fs:GREEN_ABI_LIMIT
	movq	W_OS_SP(%rbx), %rsp
	jmp	green_leave
	.cfi_endproc
	.size	green_next, . - green_next

/*
 * rsp: a green_saved; rax: what the call returns. The control words are
 * loaded only where they differ: loading is slow, and they hardly ever do.
 */
	.type	green_leave, @function
	.p2align 4
green_leave:
	.cfi_startproc
	.cfi_def_cfa rsp, SAVED_SIZE
	CFI_SAVED
	stmxcsr	-8(%rsp)
	fnstcw	-4(%rsp)
	movl	(%rsp), %r10d
	cmpl	-8(%rsp), %r10d
	jne	2f
3:	movzwl	4(%rsp), %r10d
	cmpw	-4(%rsp), %r10w
	jne	4f
1:	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	RESTORE	r15, r14, r13, r12, rbx, rbp
	ret
	.cfi_def_cfa_offset SAVED_SIZE
	CFI_SAVED
2:	ldmxcsr	(%rsp)
	jmp	3b
4:	fldcw	4(%rsp)
	jmp	1b
	.cfi_endproc
	.size	green_leave, . - green_leave

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
	stmxcsr	(%rsp)
	fnstcw	4(%rsp)
	movq	%rsp, W_OS_SP(%rdi)
	movq	%rdi, %rbx
	jmp	green_next
	.cfi_endproc
	.size	green_worker_enter, . - green_worker_enter

/*
 * Where the module's SWITCH lands: rsp is a thread's green_saved, rbx the
 * thread.
 */
	.globl	green_switch_resume
	.hidden	green_switch_resume
	.type	green_switch_resume, @function
	.p2align 4
green_switch_resume:
	.cfi_startproc
	.cfi_def_cfa rsp, SAVED_SIZE
	CFI_SAVED
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
	movq	%rbx, W_RUNNING(%r11)
	movq	T_LIMIT(%rbx), %r11
	movq	%r11, %fs:GREEN_ABI_LIMIT
	movq	T_RET(%rbx), %rax
	jmp	green_leave
	.cfi_endproc
	.size	green_switch_resume, . - green_switch_resume

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
	movl	%eax, %edi
	leaq	rt_thread_exit(%rip), %rax
	call	green_enter
	ud2
	.cfi_endproc
	.size	green_thread_start, . - green_thread_start

/*
 * The runners of deferred calls. They are assembly so that their frames have
 * maps whatever compiled their callers: a deferred function may park, and its
 * stack may move meanwhile.
 *
 * The runtime hands out a call in t->call, outside the stack, where a move
 * still adjusts its arguments; once they are in registers, it is taken.
 */
	.macro	FRAME
	SAVE	rbp
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	.endm

/* rax: the struct green_defer to call. */
	.macro	CALL_DEFERRED
	movq	%rax, %r11
	movq	D_ARGS(%r11), %rdi
	movq	D_ARGS+8(%r11), %rsi
	movq	D_ARGS+16(%r11), %rdx
	movq	D_ARGS+24(%r11), %rcx
	movq	D_ARGS+32(%r11), %r8
	movq	D_ARGS+40(%r11), %r9
	movq	D_FN(%r11), %r10
	movq	$0, D_FN(%r11)
	xorl	%eax, %eax
	testl	$CALL_UNTESTED, D_FLAGS(%r11)
	jz	9f
	movq	%r10, %rax
	leaq	green_call_untested(%rip), %r10
9:	call	*%r10
	.endm

/*
 * Go on in rax, which does not test its stack, on a segment that has room for code
 * of that kind. The arguments are in their registers; the stack must not move, for
 * nobody knows which of them are pointers.
 */
	.type	green_call_untested, @function
	.p2align 4
green_call_untested:
	.cfi_startproc
	leaq	-(GREEN_ABI_NEED + 1)(%rsp), %r11	/* all of it is GREENCC_GUESS */
	call	green_stack_morestack_fixed
	movq	%rax, %r10
	xorl	%eax, %eax
	jmp	*%r10
	.cfi_endproc
	.size	green_call_untested, . - green_call_untested

/* void green_defer_leave(struct green_scope *s): run what is pending there. */
	.globl	green_defer_leave
	.type	green_defer_leave, @function
	.p2align 4
green_defer_leave:
	.cfi_startproc
	FRAME
	subq	$16, %rsp
	movq	%rdi, (%rsp)
1:	call	green_defer_pop
.Lleave_pop:
	testq	%rax, %rax
	jz	2f
	CALL_DEFERRED
.Lleave_call:
	movq	(%rsp), %rdi
	cmpq	$0, (%rdi)			/* struct green_scope's pending */
	jne	1b
2:	leave
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_endproc
	MAP	green_defer_leave, 1, 0x01, 2
	SAFEPOINT green_defer_leave, .Lleave_pop, 0
	SAFEPOINT green_defer_leave, .Lleave_call, 0
	MAP_END	green_defer_leave

/*
 * \name does not return: it runs what \next hands out, then ends the thread.
 * green_panic_next() never runs dry; it goes on in green_try(), or nowhere.
 */
	.macro	RUNNER name, next
	.globl	\name
	.type	\name, @function
	.p2align 4
	.cfi_startproc
	nop			/* a cancelled thread's call returns to \name */
\name:
	FRAME
1:	call	\next
.L\name\()_next:
	testq	%rax, %rax
	jz	2f
	CALL_DEFERRED
.L\name\()_call:
	jmp	1b
2:	xorl	%edi, %edi
	leaq	rt_thread_exit(%rip), %rax
	call	green_enter
	call	green_outside			/* there was no thread to end */
	ud2
	.cfi_endproc
	MAP	\name, 0, 0, 2
	SAFEPOINT \name, .L\name\()_next
	SAFEPOINT \name, .L\name\()_call
	MAP_END	\name
	.endm

	RUNNER	green_exit, green_exit_next
	RUNNER	green_panic_raise, green_panic_next

/*
 * void green_leave_frames(uintptr_t target): frames below @target are about to be left
 * in another way than by returning. What they have deferred is run here, on top of
 * them; then the thread is in line with a stack pointer there.
 */
	.globl	green_leave_frames
	.type	green_leave_frames, @function
	.p2align 4
green_leave_frames:
	.cfi_startproc
	FRAME
	subq	$16, %rsp
	movq	%rdi, (%rsp)
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
	testq	%r11, %r11
	jz	3f
	movq	W_RUNNING(%r11), %r10
	testq	%r10, %r10
	jz	2f
	cmpq	T_HI(%r10), %rsp
	jae	2f
	cmpq	T_LO(%r10), %rsp
	jb	2f
	cmpq	T_HI(%r10), %rdi
	jae	2f
	cmpq	T_LO(%r10), %rdi
	jb	2f
1:	movq	(%rsp), %rdi
	call	green_leave_next
.Lleave_frames_next:
	testq	%rax, %rax
	jz	3f
	CALL_DEFERRED
.Lleave_frames_call:
	jmp	1b
2:	call	green_leaves_frames
	testb	%al, %al
	jnz	1b
3:	leave
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_endproc
	MAP	green_leave_frames, 1, 0x01, 2
	SAFEPOINT green_leave_frames, .Lleave_frames_next, 0
	SAFEPOINT green_leave_frames, .Lleave_frames_call, 0
	MAP_END	green_leave_frames

/* As glibc hides what is in a jmp_buf. */
	.macro	DEMANGLE reg
	rorq	$17, \reg
	xorq	%fs:0x30, \reg
	.endm

/* uintptr_t green_jmp_target(const void *env) */
	.macro	JMP_TARGET env
	movq	48(\env), \env
	DEMANGLE \env
	.endm

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

/*
 * void green_landed(void): mapped code calls it where setjmp() or its like has returned
 * and there is a limit, with the convention preserve_most. If whoever jumped there did
 * not come by the above, this is the first to see it.
 */
	.globl	green_landed
	.type	green_landed, @function
	.p2align 4
green_landed:
	.cfi_startproc
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
	testq	%r11, %r11
	jz	1f
	movq	W_RUNNING(%r11), %r11
	testq	%r11, %r11
	jz	2f
	cmpq	T_HI(%r11), %rsp
	jae	2f
	cmpq	T_LO(%r11), %rsp
	jb	2f
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
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
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

/*
 * int green_defer_format(const char *fmt, ...): the arguments are laid out as
 * va_arg() wants them, so that they can be formatted on the worker's stack.
 */
	.globl	green_defer_format
	.type	green_defer_format, @function
	.p2align 4
green_defer_format:
	.cfi_startproc
	FRAME
	subq	$176, %rsp
	movq	%rdi, (%rsp)
	movq	%rsi, 8(%rsp)
	movq	%rdx, 16(%rsp)
	movq	%rcx, 24(%rsp)
	movq	%r8, 32(%rsp)
	movq	%r9, 40(%rsp)
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7
	movaps	%xmm\i, 48 + 16 * \i(%rsp)
	.endr
	movq	%rsp, %rsi
	leaq	16(%rbp), %rdx
	call	green_panic_text
	testl	%eax, %eax
	jz	1f
	movq	(%rsp), %rdi
	movq	%rsp, %rsi
	leaq	16(%rbp), %rdx
	call	green_panic_outside
1:	leave
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_endproc
	.size	green_defer_format, . - green_defer_format

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
	pushq	T_PANICS(%r10)
	movq	%rsp, T_TRY(%r10)
	call	*%rax
	.globl	green_try_call
	.hidden	green_try_call
green_try_call:
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
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
