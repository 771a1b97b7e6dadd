/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The slow halves of lock.h, and the check of ranks. */
#define _GNU_SOURCE
#include "base/assert.h"
#include "base/lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Looks at a lock before its holder is taken to be off its CPU. */
#define SPINS		200

/* A sleeper may have been missed: unlocking does not wait for its store. */
#define SLEEP_NS	100000

static long futex(atomic_uint *word, int op, unsigned int value, const struct timespec *ts)
{
	int old = errno;
	long ret = syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, ts, NULL, 0);

	errno = old;
	return ret;
}

static bool taken(struct green_spin *l, unsigned int rank)
{
	return !atomic_load_explicit(&l->held, memory_order_relaxed) &&
	       !atomic_exchange_explicit(&l->held, rank, memory_order_acquire);
}

void green_spin_wait(struct green_spin *l, enum green_rank rank)
{
	const struct timespec ts = { .tv_nsec = SLEEP_NS };

	for (unsigned int i = 0; i < SPINS; i++) {
		if (taken(l, rank))
			return;
		__builtin_ia32_pause();
	}
	atomic_fetch_add(&l->sleepers, 1);
	while (!taken(l, rank))
		futex(&l->held, FUTEX_WAIT, rank, &ts);
	atomic_fetch_sub(&l->sleepers, 1);
}

void green_spin_wake(struct green_spin *l)
{
	futex(&l->held, FUTEX_WAKE, 1, NULL);
}

#ifdef GREEN_CHECKS
/* What this OS thread holds, in the order in which it took it. */
#define MAX_HELD (64 + RANKS)	/* GREEN_MAX_CASES, and one of each rank */

static __thread struct {
	const struct green_spin *lock[MAX_HELD];
	enum green_rank rank[MAX_HELD];
	unsigned int nr;
} held;

void green_rank_enter(const struct green_spin *l, enum green_rank rank)
{
	green_assert(rank > 0 && rank < RANKS);
	green_assert(held.nr < MAX_HELD);
	if (held.nr) {
		enum green_rank last = held.rank[held.nr - 1];

		green_assert(last < rank || (last == rank && held.lock[held.nr - 1] < l));
	}
	held.lock[held.nr] = l;
	held.rank[held.nr++] = rank;
}

void green_rank_leave(const struct green_spin *l, enum green_rank rank)
{
	unsigned int i = held.nr;

	while (i && held.lock[i - 1] != l)
		i--;
	green_assert(i && held.rank[i - 1] == rank);
	for (held.nr--; i <= held.nr; i++) {
		held.lock[i - 1] = held.lock[i];
		held.rank[i - 1] = held.rank[i];
	}
}
#endif
