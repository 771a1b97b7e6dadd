/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a thread has only once it needs it: its I/O call, and a block for what is rare. Whoever
 * brings any of it into being asks for it first, and fails, or does without, if there is no
 * memory; so whoever ends that finds it.
 *
 * They are the thread's owner's, stay for the thread's next need, and go with it; or
 * earlier: an idle thread with nothing in them gives them back (stack/shrink.c).
 */
#ifndef GREEN_BASE_PARTS_H
#define GREEN_BASE_PARTS_H

#include "stack/pin.h"
#include <green.h>
#include <stdint.h>

struct green;
struct green_panic;
struct green_slot;
struct green_values;
struct green_worker;

/* It is there while the thread has pins, segments, deferred calls, panics, or values of keys. */
struct green_rare {
	/* For the assembly: offsets.c. */
	struct green_panic *panics;	/* on their way, newest first */
	struct green_slot *spare;	/* slots of segments that were left */
	struct green_values *values;	/* of keys, or NULL while there was none: unwind/key.c */

	struct green_escapes escapes;
	struct green_defer call;	/* handed to a runner; fn is NULL once it has it */
	struct green_panic *caught;	/* whose text green_try() last returned */
	uintptr_t exiting;		/* sp of green_exit(), which is not to be left; or 0 */
	uintptr_t border;		/* its sp when a refusal last made it begin a segment */
	unsigned int border_kind;	/* ... of refusal: refusal.c */
	unsigned int crossings;		/* of border, without a proof */
};

/* In the runtime, by the thread's owner. NULL: it had none, and there is no memory. */
struct green_rare *green_rare_of(struct green *t);
struct green_io *green_io_of(struct green *t);
/* ... in a barrier, which may have interrupted malloc(): out of the worker's reserve. */
struct green_rare *green_rare_of_running(struct green *t);
/* In the runtime, before a thread runs: for its barriers. */
void green_rare_reserve(struct green_worker *w);
/* What there is nothing in; the caller has claimed the thread, or holds it. */
void green_parts_give_back(struct green *t);
/* Nothing in them is of any use any more. */
void green_parts_free(struct green *t);
/* ... at the end of green_run(), when there is no worker. */
void green_parts_abandon(struct green *t);

#endif
