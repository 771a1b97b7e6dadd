/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the pass tells greenmap through .llvm_stackmaps. The entry record of a
 * function is a stackmap whose locations are:
 *
 *   flags (GREEN_MAP_* of green_ptrmap.h),
 *   room: bytes that the frame may take before the stack is tested,
 *   need: bytes of stack that calls take, if greenmap is to insert the test in
 *   front of the function, or GREENCC_NO_TEST; GREENCC_VARARGS is added if the
 *   function has more arguments than it names,
 *   nr_args, one kind an argument, nr_locals, and for each local:
 *   its address (Direct), size, period, bitmap words
 */
/*
 * A function that is never suspended has a line of assembly, a comment, instead:
 *	GREENCC_LEAF name flags room need nr_args kind...
 */
#ifndef GREENCC_CHANNEL_H
#define GREENCC_CHANNEL_H

#define GREENCC_ENTRY_ID	0x67726e656e747279ULL	/* "grnentry" */
/* Arguments on the stack of functions that are tested in front. */
#define GREENCC_STACK_WORDS	10

#define GREENCC_LEAF		"#greencc-leaf "
#define GREENCC_NO_TEST		(-1L)
#define GREENCC_VARARGS		(1L << 40)
#define GREENCC_CALL_ID		0x67726e63616c6cULL	/* "grncall" */

/*
 * The most a function may put below the caller's frame before it has tested
 * the stack, or if it never does. The runtime keeps this much, and what its own
 * entry needs, free below the limit.
 */
#define GREENCC_UNCHECKED_FRAME	4096

#endif
