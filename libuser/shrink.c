/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Stacks that were large once: a worker that goes to rest looks at a few threads,
 * and at one now and then while it is busy. A parked thread that uses less than a
 * quarter of its stack gets a smaller one, if nothing forbids the move; what is
 * refused is not counted, for nobody asked.
 */
#include "internal.h"

#include <errno.h>

static bool is_large(const struct green *t)
{
	size_t used = t->hi - t->sp, size = t->hi - t->lo;

	return t->state == STATE_PARKED && !t->shrink_refused && !t->segment && 4 * used < size &&
	       t->slot->order > t->first_order;
}

static void shrink(struct green *t)
{
	size_t used = t->hi - t->sp, size = 1UL << t->first_order;
	struct green_nomove why;

	while (size < 2 * used + GREEN_SLACK + GREEN_PAGE)
		size *= 2;
	if (size >= 1UL << t->slot->order)
		return;
	t->shrink_refused = green_try_move(t, size, &why);
	green_rt.stats.shrunk += !t->shrink_refused;
}

/* The next @n threads. */
void green_shrink_some(unsigned int n)
{
	while (n--) {
		struct green *t = green_rt.shrink_next ?: green_rt.all;

		if (!t)
			return;
		green_rt.shrink_next = t->all_next;
		if (is_large(t))
			shrink(t);
	}
}
