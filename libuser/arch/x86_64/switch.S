/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The last step of a switch: registers and control words of a green_saved. */
#include "offsets.h"

#include "arch/x86_64/macros.h"
#include <green/abi.h>

	.text

/*
 * rsp: a green_saved; rax: what the call returns. The control words are loaded only where
 * they differ: loading is slow, and they hardly ever do. Storing them is slow as well: who
 * has entered the runtime knows them, which does not change them.
 */
	.globl	green_leave
	.hidden	green_leave
	.type	green_leave, @function
	.p2align 4
green_leave:
	.cfi_startproc
	.cfi_def_cfa rsp, SAVED_SIZE
	CFI_SAVED
	stmxcsr	-8(%rsp)
	fnstcw	-4(%rsp)
	movl	-8(%rsp), %r12d
	movzwl	-4(%rsp), %r13d
/* ... and the control words are r12d and r13w. */
	.globl	green_leave_with
	.hidden	green_leave_with
green_leave_with:
	cmpl	(%rsp), %r12d
	jne	2f
3:	cmpw	4(%rsp), %r13w
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
	WORKER
	movq	%rbx, W_RUNNING(%r11)
	movq	T_LIMIT(%rbx), %r11
	movq	%r11, %fs:GREEN_ABI_LIMIT
	movq	T_RET(%rbx), %rax
	jmp	green_leave
	.cfi_endproc
	.size	green_switch_resume, . - green_switch_resume

	.section .note.GNU-stack, "", @progbits
