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
#include "base/runtime.h"
#include "base/thread.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define HANDLE		(1UL << 63)
#define INDEX_BITS	28
#define ONE_USE		(1UL << INDEX_BITS)

#define FIRST_CHUNK	64UL
#define CHUNKS		22
static_assert((FIRST_CHUNK << CHUNKS) - FIRST_CHUNK <= ONE_USE, "an index has its bits");

GREEN_PER_RUN static struct green *chunk[CHUNKS];
GREEN_PER_RUN static unsigned long nr_used;		/* descriptors that ever had a thread */
GREEN_PER_RUN static struct green *unused;		/* those of them that have none now */
static uintptr_t first_use = ONE_USE;	/* the use bits of a descriptor's first handle */
static uintptr_t most;			/* of handles, HANDLE left out */

static unsigned int chunk_of(unsigned long i)
{
	return 63 - __builtin_clzl(i / FIRST_CHUNK + 1);
}

static struct green *descriptor(unsigned long i)
{
	unsigned int k = chunk_of(i);

	return &chunk[k][i - ((FIRST_CHUNK << k) - FIRST_CHUNK)];
}

static struct green *first_use_of_next(void)
{
	unsigned int k = chunk_of(nr_used);
	struct green *t;

	if (k == CHUNKS)
		return NULL;
	if (!chunk[k])
		chunk[k] = calloc(FIRST_CHUNK << k, sizeof(struct green));
	if (!chunk[k])
		return NULL;
	t = descriptor(nr_used);
	t->handle = first_use | nr_used++;
	return t;
}

/* Zeroed but for its handle, or NULL. */
struct green *green_descriptor_get(void)
{
	struct green *t = unused;
	uintptr_t handle;

	if (!t) {
		t = first_use_of_next();
		if (t)
			t->handle |= HANDLE;
		return t;
	}
	unused = t->next;
	handle = t->handle;
	memset(t, 0, sizeof(*t));
	t->handle = handle | HANDLE;
	return t;
}

/* Its handle is nobody's from now on. */
void green_descriptor_put(struct green *t)
{
	t->handle = (t->handle + ONE_USE) & ~HANDLE;
	if (t->handle > most)
		most = t->handle;
	t->next = unused;
	unused = t;
}

struct green *green_of(const green_t *handle)
{
	uintptr_t h = (uintptr_t)handle;
	unsigned long i = h & (ONE_USE - 1);
	struct green *t;

	if (!(h & HANDLE) || i >= nr_used)
		return NULL;
	t = descriptor(i);
	return t->handle == h ? t : NULL;
}

/* No thread is left. */
void green_descriptors_exit(void)
{
	first_use = most & ~(ONE_USE - 1);
	for (unsigned int k = 0; k < CHUNKS; k++) {
		free(chunk[k]);
		chunk[k] = NULL;
	}
	nr_used = 0;
	unused = NULL;
}
