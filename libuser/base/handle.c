/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Descriptors of threads, and the handles that programs have of them. A handle is
 * a number: which descriptor, and which of its uses, of 2^35. A thread that is
 * gone leaves its descriptor to others, whose handles differ; so a call that is
 * given a handle can tell, whatever it is given. No address has the bit HANDLE,
 * so that a handle in a frame is never taken for a stack's.
 *
 * Chunk k has FIRST_CHUNK << k descriptors. They stay where they are, and are
 * descriptors, until green_run() ends; uses are counted on in the next one.
 */
#include "base/handle.h"
#include "base/lock.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HANDLE		(1UL << 63)
#define INDEX_BITS	28
#define ONE_USE		(1UL << INDEX_BITS)

#define FIRST_CHUNK	64UL
#define CHUNKS		22
static_assert((FIRST_CHUNK << CHUNKS) - FIRST_CHUNK <= ONE_USE, "an index has its bits");

/* Descriptors that a worker takes from all, or gives back, at a time. */
#define BATCH		32

/*
 * The lock (RANK_SLOTS) guards all but reads of chunk and nr_used: these only grow, and
 * a chunk is there before nr_used says so.
 */
GREEN_PER_RUN static struct {
	struct green_spin lock;
	struct green *chunk[CHUNKS];
	void *memory[CHUNKS];		/* ... of which it is a part */
	unsigned long nr_used;		/* descriptors that ever had a thread */
	struct green *unused;		/* those that have none now, and are no worker's */
} descriptors;
static uintptr_t first_use = ONE_USE;	/* the use bits of a descriptor's first handle */
static uintptr_t most;			/* of handles of earlier runs, HANDLE left out */

static unsigned int chunk_of(unsigned long i)
{
	return 63 - __builtin_clzl(i / FIRST_CHUNK + 1);
}

static struct green *descriptor(unsigned long i)
{
	unsigned int k = chunk_of(i);

	return &descriptors.chunk[k][i - ((FIRST_CHUNK << k) - FIRST_CHUNK)];
}

/* Rows of a descriptor are rows of the cache. */
#define ROW		64UL
static_assert(offsetof(struct green, waiter) == 2 * ROW, "a switch takes two");
#ifndef GREEN_CHECKS
static_assert(sizeof(struct green) == 4 * ROW, "a descriptor has four");
#endif

static bool new_chunk(unsigned int k)
{
	void *memory = calloc(1, (sizeof(struct green) << k) * FIRST_CHUNK + ROW - 1);

	descriptors.memory[k] = memory;
	descriptors.chunk[k] = memory ? (void *)(((uintptr_t)memory + ROW - 1) & -ROW) : NULL;
	return memory;
}

static struct green *first_use_of_next(void)
{
	unsigned int k = chunk_of(descriptors.nr_used);
	struct green *t;

	if (k == CHUNKS)
		return NULL;
	if (!descriptors.chunk[k] && !new_chunk(k))
		return NULL;
	t = descriptor(descriptors.nr_used);
	t->handle = first_use | descriptors.nr_used;
	__atomic_store_n(&descriptors.nr_used, descriptors.nr_used + 1, __ATOMIC_RELEASE);
	return t;
}

/* Some of those that are nobody's become @w's. */
static void refill(struct green_worker *w)
{
	struct green *t;

	green_spin_lock(&descriptors.lock, RANK_SLOTS);
	while (w->nr_unused < BATCH) {
		t = descriptors.unused;
		if (t)
			descriptors.unused = t->next;
		else
			t = first_use_of_next();
		if (!t)
			break;
		t->next = w->unused;
		w->unused = t;
		w->nr_unused++;
	}
	green_spin_unlock(&descriptors.lock, RANK_SLOTS);
}

static void give_back(struct green_worker *w)
{
	struct green *t;

	green_spin_lock(&descriptors.lock, RANK_SLOTS);
	while (w->nr_unused > BATCH) {
		t = w->unused;
		w->unused = t->next;
		w->nr_unused--;
		t->next = descriptors.unused;
		descriptors.unused = t;
	}
	green_spin_unlock(&descriptors.lock, RANK_SLOTS);
}

/* Zeroed but for its handle, or NULL. What outlives threads is as in a new one. */
struct green *green_descriptor_get(struct green_worker *w)
{
	struct green *t;

	if (!w->unused)
		refill(w);
	t = w->unused;
	if (!t)
		return NULL;
	w->unused = t->next;
	w->nr_unused--;
	memset(t, 0, offsetof(struct green, lock));
	__atomic_store_n(&t->handle, t->handle | HANDLE, __ATOMIC_RELEASE);
	return t;
}

/* The caller has its lock. Its handle is nobody's from now on. */
void green_descriptor_retire(struct green *t)
{
	__atomic_store_n(&t->handle, (t->handle + ONE_USE) & ~HANDLE, __ATOMIC_RELEASE);
	t->joiner = NULL;
	/* A worker that it has parked on may look, who knows no handle. */
	__atomic_store_n(&t->cancel, CANCEL_NONE, __ATOMIC_RELAXED);
	t->detached = false;
	green_set_state(t, STATE_UNUSED);
}

void green_descriptor_put(struct green_worker *w, struct green *t)
{
	t->next = w->unused;
	w->unused = t;
	if (++w->nr_unused > 2 * BATCH)
		give_back(w);
}

unsigned long green_descriptors(void)
{
	return __atomic_load_n(&descriptors.nr_used, __ATOMIC_ACQUIRE);
}

struct green *green_thread_at(unsigned long i)
{
	struct green *t = descriptor(i);

	return __atomic_load_n(&t->handle, __ATOMIC_ACQUIRE) & HANDLE ? t : NULL;
}

static bool has_handle(const struct green *t, uintptr_t handle)
{
	return __atomic_load_n(&t->handle, __ATOMIC_ACQUIRE) == handle;
}

struct green *green_of(const green_t *handle)
{
	uintptr_t h = (uintptr_t)handle;
	unsigned long i = h & (ONE_USE - 1);
	struct green *t;

	if (!(h & HANDLE) || i >= green_descriptors())
		return NULL;
	t = descriptor(i);
	return has_handle(t, h) ? t : NULL;
}

struct green *green_of_locked(const green_t *handle)
{
	struct green *t = green_of(handle);

	if (!t)
		return NULL;
	green_spin_lock(&t->lock, RANK_THREAD);
	/* It may have ended just now. */
	if (has_handle(t, (uintptr_t)handle))
		return t;
	green_spin_unlock(&t->lock, RANK_THREAD);
	return NULL;
}

/* No thread is left. */
void green_descriptors_exit(void)
{
	for (unsigned long i = 0; i < descriptors.nr_used; i++) {
		uintptr_t use = descriptor(i)->handle;

		/* It is to be nobody's from now on. */
		if (use & HANDLE)
			use = (use + ONE_USE) & ~HANDLE;
		if (use > most)
			most = use;
	}
	first_use = most & ~(ONE_USE - 1);
	for (unsigned int k = 0; k < CHUNKS; k++)
		free(descriptors.memory[k]);
	memset(&descriptors, 0, sizeof(descriptors));
}
