/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* For the assembly: call frame information, registers in a row, maps. */
#ifndef GREEN_ARCH_X86_64_MACROS_H
#define GREEN_ARCH_X86_64_MACROS_H

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

/* r11: the worker that the OS thread is; if there may be none, \none is where to go then. */
	.macro	WORKER none
	movq	green_worker@gottpoff(%rip), %r11
	movq	%fs:(%r11), %r11
	.ifnb	\none
	testq	%r11, %r11
	jz	\none
	.endif
	.endm

/*
 * \reg: the thread that \field of the worker r11 names, and rsp is in its newest segment.
 * There is none: to \none; rsp is elsewhere: to \elsewhere.
 */
	.macro	ON_STACK field, reg, none, elsewhere
	movq	\field(%r11), %\reg
	testq	%\reg, %\reg
	jz	\none
	cmpq	T_HI(%\reg), %rsp
	jae	\elsewhere
	cmpq	T_LO(%\reg), %rsp
	jb	\elsewhere
	.endm

	.macro	FRAME
	SAVE	rbp
	movq	%rsp, %rbp
	.cfi_def_cfa_register rbp
	.endm

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

#endif
