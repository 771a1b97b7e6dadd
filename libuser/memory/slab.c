/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Packed slots: a slab of the arena holds slots of one small size, with nothing
 * between them. What keeps a stack from running into its neighbour are the checks
 * on entry, so only threads whose functions have such checks get one.
 *
 * A slab without any thread gives its pages back, and is the last to be used
 * again.
 */
#include "base/runtime.h"
#include "memory/arena.h"
#include "memory/backend.h"
#include "memory/sizes.h"
#include "memory/slab.h"
#include "memory/slot.h"

#include <stdlib.h>

#define SLAB_BYTES	(64UL << 10)

struct green_slab {
	struct green_slab *next, **link;	/* in the list of those with a free slot */
	struct green_slab *all;
	struct green_slot *free;
	unsigned int nr_free, nr;
	uintptr_t base;
	struct green_slot slot[];
};

struct slab_list {
	struct green_slab *head, **tail;
};

/* Guarded by the lock of slot.c. */
GREEN_PER_RUN static struct slab_list partial[GREEN_PACKED];
GREEN_PER_RUN static struct green_slab *all;

static struct slab_list *list_of(unsigned int size)
{
	if (!partial[size].head)
		partial[size].tail = &partial[size].head;
	return &partial[size];
}

static void list_del(struct slab_list *l, struct green_slab *s)
{
	*s->link = s->next;
	if (s->next)
		s->next->link = s->link;
	else
		l->tail = s->link;
}

static void list_add_tail(struct slab_list *l, struct green_slab *s)
{
	s->next = NULL;
	s->link = l->tail;
	*l->tail = s;
	l->tail = &s->next;
}

static struct green_slab *slab_new(unsigned int size)
{
	size_t bytes = green_sizes[size].bytes;
	unsigned int i, nr = SLAB_BYTES / bytes;
	struct green_slab *s = calloc(1, sizeof(*s) + nr * sizeof(s->slot[0]));

	if (!s)
		return NULL;
	s->base = green_arena_carve(SLAB_BYTES, 0);
	if (!s->base) {
		free(s);
		return NULL;
	}
	s->nr = s->nr_free = nr;
	for (i = 0; i < nr; i++) {
		s->slot[i] = (struct green_slot){
			.next = i + 1 < nr ? &s->slot[i + 1] : NULL,
			.lo = s->base + i * bytes,
			.hi = s->base + (i + 1) * bytes,
			.slab = s,
			.size = size,
		};
	}
	s->free = &s->slot[0];
	s->all = all;
	all = s;
	list_add_tail(list_of(size), s);
	return s;
}

struct green_slot *green_slab_get(unsigned int size)
{
	struct slab_list *l = list_of(size);
	struct green_slab *s = l->head ?: slab_new(size);
	struct green_slot *slot;

	if (!s)
		return NULL;
	slot = s->free;
	green_assert(slot && s->nr_free && slot->slab == s);
	s->free = slot->next;
	if (!--s->nr_free)
		list_del(l, s);
	return slot;
}

void green_slab_put(struct green_slot *slot)
{
	struct green_slab *s = slot->slab;
	struct slab_list *l = list_of(slot->size);

	green_assert(s->nr_free < s->nr && slot >= s->slot && slot < s->slot + s->nr);
	slot->next = s->free;
	s->free = slot;
	if (s->nr_free++)
		list_del(l, s);
	if (s->nr_free < s->nr) {
		s->next = l->head;
		s->link = &l->head;
		if (l->head)
			l->head->link = &s->next;
		else
			l->tail = &s->next;
		l->head = s;
		return;
	}
	list_add_tail(l, s);
	/* The last one is likely to be needed soon; else, if it fails, it fails. */
	if (l->head != s)
		green_rt.backend->reset(s->base, SLAB_BYTES);
}

void green_slabs_exit(void)
{
	struct green_slab *s;

	while ((s = all)) {
		all = s->all;
		free(s);
	}
	for (int i = 0; i < GREEN_PACKED; i++)
		partial[i].head = NULL;
}
