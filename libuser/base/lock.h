/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The lock of an object of the runtime. It is held for some dozens of instructions, never
 * while a green thread runs or anybody waits; who finds it held spins, and sleeps if the
 * holder's OS thread does not run. One worker alone takes none: only workers come here.
 *
 * Each has a rank, below; who holds one takes others of higher ranks only (two of
 * the same rank: by address, the lower first). A debug build checks that.
 */
#ifndef GREEN_BASE_LOCK_H
#define GREEN_BASE_LOCK_H

#include "base/runtime.h"

#include <stdatomic.h>

enum green_rank {
	RANK_OBJECT = 1,		/* what threads wait in: a channel, a descriptor ... */
	RANK_TURNS,			/* who uses the position of a file */
	RANK_THREAD,			/* a thread's end, and who waits for it */
	RANK_TIMERS,			/* a worker's */
	RANK_QUEUE,			/* a worker's threads that are ready, and its rest */
	RANK_RING,			/* a worker's */
	RANK_SLOTS,			/* descriptors, free slots, slabs, the arena */
	RANK_REFUSALS,			/* what was refused */
	RANKS,
};

/* All zeros: nobody holds it. */
struct green_spin {
	atomic_uint held;		/* the rank with which it is, or 0 */
	atomic_uint sleepers;
};

/* The slow halves. */
void green_spin_wait(struct green_spin *l, enum green_rank rank);
void green_spin_wake(struct green_spin *l);

#ifdef GREEN_CHECKS
void green_rank_enter(const struct green_spin *l, enum green_rank rank);
void green_rank_leave(const struct green_spin *l, enum green_rank rank);
#else
static inline void green_rank_enter(const struct green_spin *l, enum green_rank rank)
{
	(void)l;
	(void)rank;
}

static inline void green_rank_leave(const struct green_spin *l, enum green_rank rank)
{
	(void)l;
	(void)rank;
}
#endif

static inline void green_spin_lock(struct green_spin *l, enum green_rank rank)
{
	green_rank_enter(l, rank);
	if (!green_shared)
		return;
	if (atomic_exchange_explicit(&l->held, rank, memory_order_acquire))
		green_spin_wait(l, rank);
}

static inline void green_spin_unlock(struct green_spin *l, enum green_rank rank)
{
	bool sleepers;

	green_rank_leave(l, rank);
	if (!green_shared)
		return;
	/*
	 * Before the store: whoever takes the lock then may free it. A sleeper that is not
	 * seen here looks again by itself.
	 */
	sleepers = atomic_load_explicit(&l->sleepers, memory_order_relaxed);
	atomic_store_explicit(&l->held, 0, memory_order_release);
	if (sleepers)
		green_spin_wake(l);
}

#endif
