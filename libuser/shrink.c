/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Stacks that were large once: a worker that goes to rest looks at a few threads,
 * and at one now and then while it is busy. A thread that it finds parked, and in
 * the same wait as last time, gets a smaller stack if it uses less than a quarter
 * of it and nothing forbids the move; what is refused is not counted, for nobody
 * asked. A stack that stays where it is gives back the pages below its frames.
 */
#include "internal.h"
#include "backend.h"

#include <errno.h>

/* Less is not worth a system call. */
#define LEAST_TRIM	(32UL << 10)

/* The second look at a thread in a wait is the one that counts. */
#define LOOKS	2

/* So a wait that is shorter costs nothing. */
#define PASS_NS	1000000000u

static bool shrink(struct green *t)
{
	size_t bytes = green_bytes_for(2 * (t->hi - t->sp));
	struct green_nomove why;

	if (bytes < green_sizes[t->first_size].bytes)
		bytes = green_sizes[t->first_size].bytes;
	if (t->segment || 4 * (t->hi - t->sp) >= t->hi - t->lo ||
	    bytes >= green_slot_bytes(t->slot) || green_try_move(t, bytes, &why))
		return false;
	green_rt.stats.shrunk++;
	return true;
}

/* Nothing below its sp is of any use to a thread that waits. */
static void trim(const struct green *t)
{
	uintptr_t end = t->sp & ~(GREEN_PAGE - 1);

	if (t->slot->slab || end - t->lo < LEAST_TRIM ||
	    green_rt.backend->reset(t->lo, end - t->lo))
		return;
	green_rt.stats.trimmed++;
}

static void look_at(struct green *t)
{
	if (t->state != STATE_PARKED || ++t->idle != LOOKS)
		return;
	if (!shrink(t))
		trim(t);
}

/* To begin with all threads again, once a second at most. */
static bool begin_pass(void)
{
	uint64_t now = green_now_ns();

	if (now - green_rt.shrink_began < PASS_NS)
		return false;
	green_rt.shrink_began = now;
	green_signals_look();
	green_rt.shrink_next = green_rt.all;
	return green_rt.all;
}

/* The next @n threads. */
void green_shrink_some(unsigned int n)
{
	struct green *t;

	while (n-- && (green_rt.shrink_next || begin_pass())) {
		t = green_rt.shrink_next;
		green_rt.shrink_next = t->all_next;
		look_at(t);
	}
}
