/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Where a thread's stack is: in its segments. */
#include "base/thread.h"
#include "stack/bounds.h"

/* The bounds of the segment that @addr lies in; false if in none. */
bool green_range_of(const struct green *t, uintptr_t addr, uintptr_t *lo, uintptr_t *hi)
{
	const struct green_segment *s;

	*lo = t->lo;
	*hi = t->hi;
	for (s = t->segment; addr < *lo || addr >= *hi; s = s->outer) {
		if (!s)
			return false;
		*lo = s->lo;
		*hi = s->hi;
	}
	return true;
}

bool green_on_stack(const struct green *t, uintptr_t addr)
{
	uintptr_t lo, hi;

	return green_range_of(t, addr, &lo, &hi);
}

size_t green_stack_bytes(const struct green *t)
{
	const struct green_segment *s;
	size_t sum = t->hi - t->lo;

	for (s = t->segment; s; s = s->outer)
		sum += s->hi - s->lo;
	return sum;
}
