/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Free slots of one size, found by age and by address. By age in a queue: a stack
 * address that was missed has the longest time to hit a sealed page. By address in a
 * treap, whose priorities are hashes of addresses: a segment must lie below all older ones
 * (segment.c), and if the highest that does were not found again, each new one would
 * be cut from the arena further down.
 */
#include "memory/free_slots.h"

/* Slots that a search by age looks at. */
#define MAX_LOOKS	64

/* ---- by address ------------------------------------------------------------ */

static uint64_t priority(const struct green_free *f)
{
	return f->slot.hi * 0x9e3779b97f4a7c15;
}

static void tree_put(struct green_free **link, struct green_free *f)
{
	struct green_free **lower = &f->lower, **higher = &f->higher, *i;

	while (*link && priority(*link) > priority(f))
		link = (*link)->slot.hi < f->slot.hi ? &(*link)->higher : &(*link)->lower;
	i = *link;
	*link = f;
	/* What hung there, split in two. */
	while (i)
		if (i->slot.hi < f->slot.hi) {
			*lower = i;
			lower = &i->higher;
			i = *lower;
		} else {
			*higher = i;
			higher = &i->lower;
			i = *higher;
		}
	*lower = *higher = NULL;
}

static void tree_del(struct green_free **link, const struct green_free *f)
{
	struct green_free *lower = f->lower, *higher = f->higher;

	while (*link != f) {
		green_assert(*link);
		link = (*link)->slot.hi < f->slot.hi ? &(*link)->higher : &(*link)->lower;
	}
	while (lower && higher)
		if (priority(lower) > priority(higher)) {
			*link = lower;
			link = &lower->higher;
			lower = *link;
		} else {
			*link = higher;
			link = &higher->lower;
			higher = *link;
		}
	*link = lower ?: higher;
}

static struct green_free *tree_below(struct green_free *f, uintptr_t below)
{
	struct green_free *best = NULL;

	while (f)
		if (f->slot.hi <= below) {
			best = f;
			f = f->higher;
		} else {
			f = f->lower;
		}
	return best;
}

/* ---- both ------------------------------------------------------------------- */

void green_free_init(struct green_free_list *l)
{
	*l = (struct green_free_list){ .tail = &l->head };
}

void green_free_put(struct green_free_list *l, struct green_slot *s)
{
	struct green_free *f = (struct green_free *)s;

	f->age = l->put++;
	f->younger = NULL;
	f->link = l->tail;
	*l->tail = f;
	l->tail = &f->younger;
	l->nr++;
	tree_put(&l->tree, f);
}

static struct green_slot *take(struct green_free_list *l, struct green_free *f)
{
	green_assert(l->nr && *f->link == f);
	green_assert(f->younger ? f->younger->link == &f->younger : l->tail == &f->younger);
	*f->link = f->younger;
	if (f->younger)
		f->younger->link = f->link;
	else
		l->tail = f->link;
	l->nr--;
	tree_del(&l->tree, f);
	return &f->slot;
}

struct green_slot *green_free_oldest(struct green_free_list *l, size_t gap)
{
	struct green_free *f = l->head;
	unsigned int i;

	for (i = 0; f && i < MAX_LOOKS; i++, f = f->younger)
		if (f->slot.gap >= gap)
			return take(l, f);
	return NULL;
}

struct green_slot *green_free_highest(struct green_free_list *l, size_t gap, uintptr_t below,
				      unsigned int among)
{
	struct green_free *f = tree_below(l->tree, below), *best = NULL;

	for (; f && among; f = tree_below(l->tree, f->slot.hi - 1)) {
		if (f->slot.gap < gap)
			continue;
		if (!best || f->age < best->age)
			best = f;
		among--;
	}
	return best ? take(l, best) : NULL;
}
