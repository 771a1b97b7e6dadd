/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The runners of deferred calls. They are assembly so that their frames have
 * maps whatever compiled their callers: a deferred function may park, and its
 * stack may move meanwhile.
 *
 * The runtime hands out a call in t->rare->call, outside the stack, where a move
 * still adjusts its arguments; once they are in registers, it is taken.
 */
#include "offsets.h"

#include "arch/x86_64/macros.h"
#include <green/abi.h>

	.text

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
	testl	$RECORD_UNTESTED, D_FLAGS(%r11)
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

/* long green_thread_destroy(long ret): call all destructors; returns @ret. */
	.globl	green_thread_destroy
	.hidden	green_thread_destroy
	.type	green_thread_destroy, @function
	.p2align 4
green_thread_destroy:
	.cfi_startproc
	FRAME
	subq	$16, %rsp
	movq	%rdi, (%rsp)
1:	call	green_destructor_next
.Ldestroy_next:
	testq	%rax, %rax
	jz	2f
	CALL_DEFERRED
.Ldestroy_call:
	jmp	1b
2:	movq	(%rsp), %rax
	leave
	.cfi_def_cfa rsp, 8
	.cfi_restore rbp
	ret
	.cfi_endproc
	MAP	green_thread_destroy, 1, 0, 2
	SAFEPOINT green_thread_destroy, .Ldestroy_next
	SAFEPOINT green_thread_destroy, .Ldestroy_call
	MAP_END	green_thread_destroy

/*
 * \name does not return: it runs what \next hands out, then ends the thread.
 * green_panic_next() never runs dry; it goes on in green_try(), or nowhere.
 */
	.macro	RUNNER name, next
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	FRAME
1:	call	\next
.L\name\()_next:
	testq	%rax, %rax
	jz	2f
	CALL_DEFERRED
.L\name\()_call:
	jmp	1b
2:	xorl	%edi, %edi
	call	green_thread_end
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
	WORKER	3f
	ON_STACK	W_RUNNING, r10, 2f, 2f
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


	.section .note.GNU-stack, "", @progbits
