/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the pass tells greenmap through .llvm_stackmaps. The entry record of a
 * function is a stackmap whose locations are:
 *
 *   flags (GREEN_MAP_*),
 *   need: bytes of stack that calls take, with GREENCC_GUESS and so on, for the
 *   test in front of the function; or GREENCC_NO_TEST,
 *   nr_args, one kind an argument, nr_locals, and for each local:
 *   its address (Direct), size, period, bitmap words
 */
/*
 * A function that is never suspended has a line of assembly, a comment, instead:
 *	GREENCC_LEAF name flags need nr_args kind...
 */
/*
 * And one for each function of other files that it calls by a second name (names.h):
 *	GREENCC_WAY function name caller
 */
#ifndef GREENCC_CHANNEL_H
#define GREENCC_CHANNEL_H

#define GREENCC_ENTRY_ID	0x67726e656e747279ULL	/* "grnentry" */
#define GREENCC_CALL_ID		0x67726e63616c6cULL	/* "grncall" */
#define GREENCC_LEAF		"#greencc-leaf "
#define GREENCC_WAY		"#greencc-way "
/* Before its name: a label in front of a function. */
#define GREENCC_ENTRY_LABEL	".Lgreen_entry."
/* Behind a call, where its result is taken from the x87 registers. */
#define GREENCC_X87_LABEL	".Lgreencc_x87_"
#define GREENCC_X87		GREENCC_X87_LABEL "${:uid}: fstpt "

#define GREENCC_NO_TEST		(-1L)
#define GREENCC_GUESS		1L		/* 32 KiB of it are one, for foreign code */
#define GREENCC_GUESS_DYNAMIC	2L		/* 256 KiB, for alloca() */
#define GREENCC_FAR		(1L << 40)	/* arguments may take GREEN_ABI_FAR bytes of stack */
#define GREENCC_FIXED		(1L << 41)	/* the stack must not move: only a segment will do */
#define GREENCC_IF_LARGE	(1L << 42)	/* test only if the frame is large */

#endif
