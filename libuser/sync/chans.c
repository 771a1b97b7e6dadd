/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where channels are, and their handles.
 *
 * A handle is the channel's address, and which of its uses it is: in the bits that
 * addresses do not have, the highest of which is set, so that a handle in a frame is never
 * taken for a stack's address. A channel's memory is never anything else, until the
 * process ends: so whatever handle was once valid can be looked at under the lock that
 * it leads to.
 */
#include "sync/chan.h"
#include "sync/chan_wait.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define CHUNK		64		/* channels that are made at once */

#define LOW_SHIFT	1		/* GREEN_CHAN_FAST is below */
#define LOW_BITS	5		/* of the uses, below the address */
#define HIGH_SHIFT	48
#define HIGH_BITS	15

/* Guards what follows, and each channel's place in a list; nothing is taken within. */
static struct green_spin lock;
static struct green_chan *unused;
GREEN_PER_RUN static struct green_chan *all;

/* Small values, and a ring for them; forced moves are made in all calls. */
static bool is_fast(const struct green_chan *c)
{
	return c->capacity && c->size <= GREEN_CHAN_SMALL && !green_rt.debug.move_call;
}

static uintptr_t handle_of(const struct green_chan *c)
{
	uintptr_t fast = is_fast(c) ? GREEN_CHAN_FAST : 0;
	uintptr_t low = c->uses & ((1u << LOW_BITS) - 1);
	uintptr_t high = c->uses >> LOW_BITS & ((1u << HIGH_BITS) - 1);

	return GREEN_CHAN_VALID | high << HIGH_SHIFT | (uintptr_t)c | low << LOW_SHIFT | fast;
}

static struct green_chan *take_unused(void)
{
	struct green_chan *c = unused;

	if (!c) {
		c = aligned_alloc(GREEN_CHAN_ALIGN, CHUNK * sizeof(*c));
		if (!c)
			return NULL;
		memset(c, 0, CHUNK * sizeof(*c));
		for (unsigned int i = 1; i < CHUNK; i++) {
			c[i].all_next = unused;
			unused = &c[i];
		}
		return c;
	}
	unused = c->all_next;
	return c;
}

static void put_unused(struct green_chan *c)
{
	*c->all_link = c->all_next;
	if (c->all_next)
		c->all_next->all_link = c->all_link;
	c->all_next = unused;
	unused = c;
}

static void enlist(struct green_chan *c)
{
	c->all_next = all;
	c->all_link = &all;
	if (all)
		all->all_link = &c->all_next;
	all = c;
}

/* Whoever still looks at it, by an old handle, has its lock. */
static void set_up(struct green_chan *c, char *ring, size_t size, size_t capacity)
{
	green_spin_lock(&c->lock, RANK_OBJECT);
	c->ring = ring;
	c->size = size;
	c->capacity = capacity;
	c->end = size * capacity;
	c->count = c->first = c->next = 0;
	c->senders = c->receivers = (struct green_waiters){ 0 };
	c->closed = false;
	c->uses++;
	c->handle = handle_of(c);
	green_spin_unlock(&c->lock, RANK_OBJECT);
}

struct green_chan *green_chan_get(size_t size, size_t capacity)
{
	struct green_chan *c;
	char *ring = NULL;
	size_t bytes;

	if (__builtin_mul_overflow(size, capacity, &bytes) || bytes > PTRDIFF_MAX ||
	    size > PTRDIFF_MAX)
		return NULL;
	if (bytes) {
		ring = malloc(bytes);
		if (!ring)
			return NULL;
	}
	green_spin_lock(&lock, RANK_OBJECT);
	c = take_unused();
	if (c)
		enlist(c);
	green_spin_unlock(&lock, RANK_OBJECT);
	if (c)
		set_up(c, ring, size, capacity);
	else
		free(ring);
	return c;
}

void green_chan_put(struct green_chan *c)
{
	char *ring = c->ring;

	c->handle = 0;
	c->ring = NULL;
	green_chan_unlock(c);
	free(ring);
	green_spin_lock(&lock, RANK_OBJECT);
	put_unused(c);
	green_spin_unlock(&lock, RANK_OBJECT);
}

void green_chans_shut(void)
{
	for (struct green_chan *c = all; c; c = c->all_next)
		green_chan_guests_exit(c);
}

void green_chans_exit(void)
{
	while (all) {
		green_spin_lock(&all->lock, RANK_OBJECT);
		green_chan_put(all);
	}
}

void green_chans_forked(void)
{
	for (struct green_chan *c = all; c; c = c->all_next)
		c->senders = c->receivers = (struct green_waiters){ 0 };
}
