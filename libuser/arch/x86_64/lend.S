/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The way out of mapped code: calls of functions that may not be mapped. Whether
 * they are is known when the program is linked: greencc calls another file's f() by
 * a name of its own, which a mapped f() has as well; where there is none, the
 * caller's file brings a few instructions that come here (tools/greencc/pass/
 * Outgoing.cpp). So do calls through pointers.
 *
 *	green_lend_M	jumps to the function at r10, having seen to the stack that
 *			foreign code needs, and held what it is lent: those of the
 *			six registers for arguments that M has a bit for, rdi
 *			the lowest, if they point into the stack
 *	green_lend_far_M  ... with arguments on the stack: it is never moved here
 *	green_need_M	... keeps none of what it is passed
 *	green_need_far
 *
 * To the runtime they are functions that test the stack on entry, each with a map
 * of its arguments. They have no frame, so that all the others are where the callee
 * expects them. All registers but r11 are kept.
 *
 * The compiler's tests have a small runtime of their own, and this file as well.
 */

#include <green/abi.h>

/* It is a guess: GREENCC_GUESS. */
#define NEED		(GREEN_ABI_NEED + 1)

	.altmacro

/* The maps: one packed record (include/green_ptrmap.h). */
	.section green_maps, "a", @progbits
	.p2align 2
.Lmaps:
	.long	.Lmaps_end - .Lmaps
	.long	2				/* GREEN_MAP_PACKED */
	.long	3 * 64 + 1
	.text

	.macro	BEGIN name
	.globl	\name
	.type	\name, @function
	.p2align 4
\name:
	.cfi_startproc
	.endm

	/* Where nothing moves, no argument need be known. */
	.macro	END name, nr_args, mask
	.cfi_endproc
.Lend_\name:
	.size	\name, . - \name
	.pushsection green_maps, "a", @progbits
	.long	\name - .
	.uleb128 .Lend_\name - \name
	.uleb128 7				/* VERIFIED | ARGS | LOCALS */
	.asciz	"a call of foreign code"
	.uleb128 \nr_args
	.if	\nr_args
	/* Two bits an argument; GREEN_ARG_POINTER is 1. */
	.byte	((\mask) & 1) | ((\mask) & 2) << 1 | ((\mask) & 4) << 2 | ((\mask) & 8) << 3
	.byte	((\mask) & 16) >> 4 | ((\mask) & 32) >> 3
	.endif
	.byte	0, 0, 0				/* no locals, slots, safepoints */
	.popsection
	.endm

	.macro	IF_ON_STACK mask, bit, reg
	.if	(\mask) & (\bit)
	cmpq	%rsp, %\reg
	jae	9f
	.endif
	.endm

	.macro	HELD mask
	IF_ON_STACK \mask, 1, rdi
	IF_ON_STACK \mask, 2, rsi
	IF_ON_STACK \mask, 4, rdx
	IF_ON_STACK \mask, 8, rcx
	IF_ON_STACK \mask, 16, r8
	IF_ON_STACK \mask, 32, r9
	.endm

	/* What is mapped sees to all that itself. Nothing of ours begins a page. */
	.macro	IF_MAPPED
	testl	$0xffc, %r10d
	jz	1f
	cmpl	$GREEN_ABI_MARK_TESTS, -4(%r10)
	jne	1f
	jmp	*%r10
1:
	.endm

	.macro	TEST
	leaq	-NEED(%rsp), %r11
	cmpq	%fs:GREEN_ABI_LIMIT, %r11
	jb	3f
2:
	.endm

	.macro	LEND name, nr_args, mask, morestack
	BEGIN	\name
	IF_MAPPED
	TEST
	HELD	\mask
	jmp	*%r10
3:	call	\morestack
	jmp	2b
	.if	\mask
9:	movl	$\mask, %r11d
	jmp	green_lend_hold
	.endif
	END	\name, \nr_args, \mask
	.endm

	.macro	NEED_FOR name, nr_args, mask, morestack
	BEGIN	\name
	TEST
	jmp	*%r10
3:	call	\morestack
	jmp	2b
	END	\name, \nr_args, \mask
	.endm

	.macro	WITH_MASK mask
	LEND	green_lend_\mask, 6, \mask, green_stack_morestack
	LEND	green_lend_far_\mask, 0, \mask, green_stack_morestack_fixed
	NEED_FOR green_need_\mask, 6, \mask, green_stack_morestack
	.endm

	.globl	green_ways_out		/* for the linker: see entry.S */
	.hidden	green_ways_out
green_ways_out:
	.set	mask, 0
	.rept	64
	WITH_MASK %mask
	.set	mask, mask + 1
	.endr
	NEED_FOR green_need_far, 0, 0, green_stack_morestack_fixed

	.pushsection green_maps, "a", @progbits
	.p2align 2
.Lmaps_end:
	.popsection

	.section .note.GNU-stack, "", @progbits
