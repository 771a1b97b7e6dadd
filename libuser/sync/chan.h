/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A channel. */
#ifndef GREEN_SYNC_CHAN_H
#define GREEN_SYNC_CHAN_H

#include "base/assert.h"
#include "base/lock.h"
#include "base/waiter.h"
#include <green_sync.h>
#include <stdbool.h>
#include <string.h>

/* What a handle needs of its address. */
#define GREEN_CHAN_ALIGN	64
#define GREEN_CHAN_VALID	(1UL << 63)
#define GREEN_CHAN_FAST		1UL	/* calls.def's: what can be done without the runtime */
/* Values that are copied by a few instructions: the caller's stack may be nearly full. */
#define GREEN_CHAN_SMALL	64
#define GREEN_CHAN_ADDRESS	(((1UL << 48) - 1) & ~(uintptr_t)(GREEN_CHAN_ALIGN - 1))

/*
 * Its lock guards all of it but what is named below. There are senders among its waiters
 * only while it is full, and receivers only while it is empty; when it is closed there
 * are none.
 */
struct green_chan {
	struct green_spin lock;
	uintptr_t handle;		/* 0: it is free */
	size_t size, capacity;		/* do not change until it is freed */
	size_t count;			/* values in the ring */
	char *ring;			/* NULL: they have no bytes, or it is unbuffered */
	size_t end;			/* bytes of the ring */
	size_t first, next;		/* offsets of the oldest value, and of the next */
	struct green_waiters senders, receivers;
	bool closed;
	/* sync/chans.c: */
	unsigned int uses;
	struct green_chan *all_next, **all_link; /* in the list of all; or of those that are free */
} __attribute__((aligned(GREEN_CHAN_ALIGN)));

/* sync/chans.c */
struct green_chan *green_chan_get(size_t size, size_t capacity);
/* Nobody waits in it, its lock is held; and is given up. */
void green_chan_put(struct green_chan *c);
/* At the end of green_run(): nobody outside waits in one any more. */
void green_chans_shut(void);
/* Those that are left. */
void green_chans_exit(void);
/* In a child of fork(), where nobody is left that waits. */
void green_chans_forked(void);

/*
 * Where it is, or was: memory of channels that are gone is of channels, too. Whether it
 * is this one is to be seen under its lock. NULL: it never was.
 */
static inline struct green_chan *green_chan_at(const green_chan_t *handle)
{
	uintptr_t h = (uintptr_t)handle;

	return h & GREEN_CHAN_VALID ? (struct green_chan *)(h & GREEN_CHAN_ADDRESS) : NULL;
}

/* With its lock; NULL: it is gone. */
static inline struct green_chan *green_chan_lock(const green_chan_t *handle)
{
	struct green_chan *c = green_chan_at(handle);

	if (!c)
		return NULL;
	green_spin_lock(&c->lock, RANK_OBJECT);
	if (c->handle == (uintptr_t)handle)
		return c;
	green_spin_unlock(&c->lock, RANK_OBJECT);
	return NULL;
}

static inline void green_chan_unlock(struct green_chan *c)
{
	green_spin_unlock(&c->lock, RANK_OBJECT);
}

/* ---- values --------------------------------------------------------------- */

static inline void green_chan_copy(void *to, const void *from, size_t size)
{
	if (size == 8)
		memcpy(to, from, 8);
	else if (size)
		memcpy(to, from, size);
}

static inline size_t green_chan_step(const struct green_chan *c, size_t offset)
{
	offset += c->size;
	return offset == c->end ? 0 : offset;
}

static inline void green_chan_push(struct green_chan *c, const void *value)
{
	green_assert(c->count < c->capacity);
	green_chan_copy(c->ring + c->next, value, c->size);
	c->next = green_chan_step(c, c->next);
	c->count++;
}

static inline void green_chan_pop(struct green_chan *c, void *value)
{
	green_assert(c->count);
	if (value)
		green_chan_copy(value, c->ring + c->first, c->size);
	c->first = green_chan_step(c, c->first);
	c->count--;
}

#endif
