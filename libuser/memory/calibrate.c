/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where moving pages begins to be faster than copying them. That depends on the
 * machine, so it is measured once a process: some hundred microseconds.
 */
#include "base/runtime.h"
#include "memory/backend.h"
#include "memory/sizes.h"
#include "memory/slot.h"

#include <string.h>

#define SMALLEST	(16UL << 10)
#define LARGEST		(1UL << 20)
#define ROUNDS		3

static void touch(uintptr_t lo, size_t len)
{
	for (size_t i = 0; i < len; i += GREEN_PAGE)
		*(volatile char *)(lo + i) = 1;
}

/* One move of pages and what the reuse of the old place costs, in ns. */
static uint64_t time_move(uintptr_t to, uintptr_t from, size_t len)
{
	static const struct green_relocs none;
	uint64_t t0 = green_now_ns();

	if (green_rt.backend->move(to, from, len, &none) || green_rt.backend->reset(from, len))
		return UINT64_MAX;
	return green_now_ns() - t0;
}

static uint64_t time_copy(uintptr_t to, uintptr_t from, size_t len)
{
	uint64_t t0 = green_now_ns();

	memcpy((void *)to, (const void *)from, len);
	return green_now_ns() - t0;
}

static bool move_is_faster(const struct green_slot *a,
			   const struct green_slot *b, size_t len)
{
	uintptr_t from = a->hi - len, to = b->hi - len, other;
	uint64_t move = UINT64_MAX, copy = UINT64_MAX, ns;

	for (int i = 0; i < ROUNDS; i++) {
		touch(from, len);
		ns = time_move(to, from, len);
		if (ns == UINT64_MAX)
			return false;
		move = ns < move ? ns : move;
		touch(from, len);
		ns = time_copy(from, to, len);
		copy = ns < copy ? ns : copy;
		green_rt.backend->reset(from, len);
		other = from;
		from = to;
		to = other;
	}
	green_rt.backend->reset(from, len);
	return move <= copy;
}

size_t green_calibrate(void)
{
	struct green_slot *a, *b;
	size_t len;

	/* The user backend's move is a copy and more. */
	if (green_rt.backend == &green_backend_user || green_rt.opt.max_stack < 2 * LARGEST)
		return SIZE_MAX;
	a = green_slot_get(2 * LARGEST, SLOT_COLD, green_rt.opt.gap, UINTPTR_MAX);
	b = green_slot_get(2 * LARGEST, SLOT_COLD, green_rt.opt.gap, UINTPTR_MAX);
	for (len = SMALLEST; a && b && len <= LARGEST; len *= 2)
		if (move_is_faster(a, b, len))
			break;
	if (!a || !b || len > LARGEST)
		len = SIZE_MAX;
	if (a)
		green_slot_put(a);
	if (b)
		green_slot_put(b);
	return len;
}
