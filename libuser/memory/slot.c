/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Stack slots. Those from 16 KiB on are cut from the arena one by one, each with a
 * gap below it, which is sealed; smaller ones are packed (slab.c). A slot keeps its
 * size and its gap for good. A free one goes to the worker's cache, which is last in,
 * first out, for it is in the processor's as well; what does not fit there goes to a pile
 * that all workers have, in which it keeps its pages for a while (pile.c), so that a burst
 * of threads costs the kernel nothing if there was one like it. Then it waits in
 * a queue by size, oldest first, so that a stack address that was missed has the
 * longest time to hit a page that is sealed, or empty.
 *
 * The gap is for code that does not test its stack: a frame larger than what is left
 * of a stack steps over a single page, and writes to whatever lies beyond. Code that
 * greencc built asks before each call of foreign code for GREEN_ABI_NEED. No slot of
 * less than FOREIGN_SLOT bytes has as much, so only code that tests runs on those,
 * and one page will do below them; unless a thread's first function tests nothing, or
 * no stack may be larger, so that the call goes on with less (grow.c).
 */
#include "base/lock.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "memory/arena.h"
#include "memory/backend.h"
#include "memory/free_slots.h"
#include "memory/pile.h"
#include "memory/sizes.h"
#include "memory/slab.h"
#include "memory/slot.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Free slots of a size that forced moves go through in turn. */
#define DEBUG_SLOTS	16
/* ... of those that may lie below a segment. */
#define DEBUG_AMONG	4

#define MAX_POISON	(256UL << 10)

/* Larger ones are few, and may have many pages. */
#define LARGEST_PILED	(256UL << 10)

/* The least slot that can have GREEN_ABI_NEED above its limit. */
#define FOREIGN_SLOT	(64UL << 10)
static_assert(FOREIGN_SLOT / 2 <= GREEN_ABI_NEED, "half the size has it, too");

/* Gaps of one page, of green_options' size, and others. */
enum { GAP_PAGE, GAP_USUAL, GAP_WIDE, GAP_CLASSES };

/* Guards the lists, the slabs and the arena. Slots in no list are their thread's. */
GREEN_PER_RUN static struct green_spin lock;
GREEN_PER_RUN static struct green_free_list warm[GAP_CLASSES][GREEN_SIZES];
GREEN_PER_RUN static struct green_free_list cold[GAP_CLASSES][GREEN_SIZES];

static unsigned int gap_class(size_t gap)
{
	return gap <= GREEN_PAGE ? GAP_PAGE : gap <= green_rt.opt.gap ? GAP_USUAL : GAP_WIDE;
}

size_t green_gap_of(const struct green *t, size_t bytes)
{
	bool foreign = t->guarded || bytes >= FOREIGN_SLOT ||
		       green_rt.opt.max_stack < FOREIGN_SLOT;

	return foreign ? t->gap : GREEN_PAGE;
}

static unsigned int size_of(size_t bytes, enum green_slot_kind kind)
{
	unsigned int least = kind == SLOT_ANY ? 0 : GREEN_PACKED, size = 0;

	if (bytes > GREEN_LEAST_SIZE)
		size = 64 - (unsigned int)__builtin_clzl((bytes - 1) / GREEN_LEAST_SIZE);
	if (size < least)
		size = least;
	return size < GREEN_SIZES ? size : GREEN_SIZES;
}

/* The first page of the gap is part of the size, as of all that lies in front. */
static struct green_slot *slot_carve(unsigned int size, size_t gap)
{
	size_t bytes = green_sizes[size].bytes - GREEN_PAGE;
	struct green_slot *s = calloc(1, sizeof(struct green_free));
	uintptr_t lo;

	if (!s)
		return NULL;
	lo = green_arena_carve(gap + bytes, gap);
	if (!lo) {
		free(s);
		return NULL;
	}
	s->lo = lo + gap;
	s->hi = s->lo + bytes;
	s->gap = gap;
	s->size = size;
	return s;
}

/* ---- a worker's cache ---------------------------------------------------- */

/* Debugging: what is used again at once hides what still points there. */
static bool no_caches(void)
{
	return green_rt.debug.seal || green_rt.debug.poison || !green_worker;
}

/* How many of @size go to the pile and come from it at a time. 0: those are too large. */
static unsigned int share_of(unsigned int size)
{
	return green_sizes[size].bytes <= LARGEST_PILED ? green_sizes[size].cached / 2 : 0;
}

static void fill(struct green_cache *c, unsigned int size)
{
	struct green_chain slots;

	green_spin_lock(&lock, RANK_SLOTS);
	slots = green_pile_take(size, share_of(size));
	green_spin_unlock(&lock, RANK_SLOTS);
	c->head = slots.first;
	c->nr = slots.nr;
}

/* Makes room, if there is a pile for them. */
static bool spill(struct green_cache *c, unsigned int size)
{
	struct green_chain slots = { c->head, c->head, share_of(size) };
	unsigned int i;

	if (!slots.nr)
		return false;
	for (i = 1; i < slots.nr; i++)
		slots.last = slots.last->next;
	c->head = slots.last->next;
	c->nr -= slots.nr;
	green_spin_lock(&lock, RANK_SLOTS);
	green_pile_put(size, slots);
	green_spin_unlock(&lock, RANK_SLOTS);
	return true;
}

static struct green_slot *cache_get(unsigned int size, size_t gap)
{
	struct green_cache *c;
	struct green_slot *s;

	if (no_caches())
		return NULL;
	c = &green_worker->cache[size];
	if (!c->head && share_of(size))
		fill(c, size);
	s = c->head;
	if (!s || (s->gap < gap && !s->slab))
		return NULL;
	c->head = s->next;
	c->nr--;
	return s;
}

static bool cache_put(struct green_slot *s)
{
	struct green_cache *c;

	if (no_caches() || s->sealed || gap_class(s->gap) == GAP_WIDE)
		return false;
	c = &green_worker->cache[s->size];
	if (c->nr == green_sizes[s->size].cached && !spill(c, s->size))
		return false;
	s->next = c->head;
	c->head = s;
	c->nr++;
	return true;
}

static void slot_put(struct green_slot *s);

static void cache_flush(struct green_worker *w)
{
	struct green_slot *s;

	for (int i = 0; i < GREEN_SIZES; i++)
		while ((s = w->cache[i].head)) {
			w->cache[i].head = s->next;
			slot_put(s);
		}
}

/* ---- for all ------------------------------------------------------------- */

/*
 * Debugging: a stack that moves to and fro between two slots would make each
 * address that was missed right again with every other move.
 */
static bool many_slots(void)
{
	return green_rt.debug.move_entry || green_rt.debug.move_park;
}

/*
 * By age, if it may lie anywhere. For a segment the highest will do: the lower ones are
 * for those that are still to begin below it.
 */
static struct green_slot *take(struct green_free_list *l, size_t gap, uintptr_t below)
{
	if (below == UINTPTR_MAX)
		return green_free_oldest(l, gap);
	return green_free_highest(l, gap, below, many_slots() ? DEBUG_AMONG : 1);
}

/* Out of the lists, or cut; with the lock. */
static struct green_slot *find_slot(unsigned int size, bool touched, size_t gap,
				    uintptr_t below)
{
	struct green_free_list *w = &warm[gap_class(gap)][size];
	struct green_free_list *c = &cold[gap_class(gap)][size];
	struct green_slot *s = NULL;

	/* Of GAP_USUAL there is one size. */
	if (gap_class(gap) == GAP_USUAL)
		gap = green_rt.opt.gap;
	if (touched)
		s = take(w, gap, below);
	if (!s && (!many_slots() || below != UINTPTR_MAX || c->nr >= DEBUG_SLOTS))
		s = take(c, gap, below);
	if (!s)
		s = slot_carve(size, gap);
	return s ?: take(c, gap, below);
}

static void put_into(struct green_free_list *l, struct green_slot *s)
{
	green_spin_lock(&lock, RANK_SLOTS);
	green_free_put(l, s);
	green_spin_unlock(&lock, RANK_SLOTS);
}

static struct green_slot *slot_get(unsigned int size, bool touched, size_t gap,
				   uintptr_t below)
{
	struct green_slot *s;

	green_spin_lock(&lock, RANK_SLOTS);
	s = find_slot(size, touched, gap, below);
	green_spin_unlock(&lock, RANK_SLOTS);
	if (!s || !s->sealed)
		return s;
	if (green_rt.backend->reset(s->lo, s->hi - s->lo)) {
		put_into(&cold[gap_class(s->gap)][size], s);
		return NULL;
	}
	s->sealed = false;
	return s;
}

/* Its pages go; it keeps them if they cannot go now. */
static void empty(struct green_slot *s)
{
	struct green_free_list (*to)[GREEN_SIZES] = cold;

	if (s->slab) {
		green_spin_lock(&lock, RANK_SLOTS);
		green_slab_put(s);
		green_spin_unlock(&lock, RANK_SLOTS);
		return;
	}
	if (green_rt.backend->reset(s->lo, s->hi - s->lo))
		to = warm;
	put_into(&to[gap_class(s->gap)][s->size], s);
}

static struct green_slot *from_pile(struct green_slot *(*which)(void))
{
	struct green_slot *s;

	green_spin_lock(&lock, RANK_SLOTS);
	s = which();
	green_spin_unlock(&lock, RANK_SLOTS);
	return s;
}

void green_slots_age(void)
{
	green_spin_lock(&lock, RANK_SLOTS);
	green_pile_age();
	green_spin_unlock(&lock, RANK_SLOTS);
}

bool green_slots_give_back(unsigned int n)
{
	struct green_slot *s = NULL;

	while (n-- && (s = from_pile(green_pile_oldest)))
		empty(s);
	return s;
}

/* The arena has no room: what lies in the pile may do for another purpose. */
static bool empty_pile(void)
{
	struct green_slot *s;
	bool any = false;

	while ((s = from_pile(green_pile_any))) {
		empty(s);
		any = true;
	}
	return any;
}

static struct green_slot *packed_get(unsigned int size)
{
	struct green_slot *s;

	green_spin_lock(&lock, RANK_SLOTS);
	s = green_slab_get(size);
	green_spin_unlock(&lock, RANK_SLOTS);
	return s;
}

static struct green_slot *from_lists(unsigned int size, enum green_slot_kind kind, size_t gap,
				     uintptr_t below)
{
	return size < GREEN_PACKED ? packed_get(size) :
				     slot_get(size, kind != SLOT_COLD, gap, below);
}

struct green_slot *green_slot_get(size_t bytes, enum green_slot_kind kind, size_t gap,
				  uintptr_t below)
{
	unsigned int size = size_of(bytes, kind);
	struct green_slot *s = NULL;

	if (bytes > green_rt.opt.max_stack || size == GREEN_SIZES)
		return NULL;
	if (kind != SLOT_COLD && below == UINTPTR_MAX)
		s = cache_get(size, gap);
	if (!s)
		s = from_lists(size, kind, gap, below);
	if (!s && empty_pile())
		s = from_lists(size, kind, gap, below);
	if (!s)
		return NULL;
	green_assert(s->hi <= below && !s->sealed);
	green_assert(s->gap >= gap || (s->slab && kind == SLOT_ANY));
	green_slot_check(s, true);
	return s;
}

/* Debugging: what is read through a stale address is to be seen. */
static void poison(const struct green_slot *s)
{
	size_t n = s->hi - s->lo;

	/* Of a large one the end, where frames are. */
	if (n > MAX_POISON)
		n = MAX_POISON;
	memset((void *)(s->hi - n), GREEN_POISON, n);
}

/* Into the list of those that keep their pages, if there is room. */
static bool put_warm(struct green_slot *s)
{
	struct green_free_list *w = &warm[gap_class(s->gap)][s->size];
	bool room;

	if (s->sealed || green_rt.debug.seal)
		return false;
	green_spin_lock(&lock, RANK_SLOTS);
	room = w->nr < green_sizes[s->size].warm;
	if (room)
		green_free_put(w, s);
	green_spin_unlock(&lock, RANK_SLOTS);
	return room;
}

static void slot_put(struct green_slot *s)
{
	unsigned int class = gap_class(s->gap);

	if (s->slab) {
		green_spin_lock(&lock, RANK_SLOTS);
		green_slab_put(s);
		green_spin_unlock(&lock, RANK_SLOTS);
		return;
	}
	if (put_warm(s))
		return;
	/* If the pages cannot be given back now, the slot stays warm. */
	if (!s->sealed && green_rt.backend->seal(s->lo, s->hi - s->lo)) {
		put_into(&warm[class][s->size], s);
		return;
	}
	s->sealed = true;
	put_into(&cold[class][s->size], s);
}

static void put_for_all(struct green_slot *s)
{
	/* A packed one cannot be sealed. */
	if ((green_rt.debug.poison || (green_rt.debug.seal && s->slab)) && !s->sealed)
		poison(s);
	slot_put(s);
}

void green_slot_put_segment(struct green_slot *s)
{
	green_slot_check(s, false);
	put_for_all(s);
}

void green_slot_put(struct green_slot *s)
{
	green_slot_check(s, false);
	if (!cache_put(s))
		put_for_all(s);
}

void green_stack_set(struct green *t, struct green_slot *slot)
{
	t->slot = slot;
	t->lo = slot->lo;
	t->hi = slot->hi;
	t->limit = slot->lo + green_slot_slack(slot);
	green_assert(t->lo < t->limit && t->limit < t->hi);
	/* Debugging: every entry check is to call green_stack_grow(). */
	if (green_rt.debug.move_entry || green_rt.debug.slice)
		t->limit = UINTPTR_MAX;
}

/* ---- from green_run() to its end ----------------------------------------- */

void green_stacks_init(void)
{
	green_pile_init();
	for (int i = 0; i < GAP_CLASSES; i++)
		for (int k = 0; k < GREEN_SIZES; k++) {
			green_free_init(&warm[i][k]);
			green_free_init(&cold[i][k]);
		}
}

static void list_free(struct green_free_list *l)
{
	struct green_slot *s;

	while ((s = green_free_oldest(l, 0)))
		free(s);
}

/*
 * Slots of abandoned threads are not in a list: their memory goes with the
 * arena, their descriptors with the threads (see runtime_exit()).
 */
void green_stacks_exit(void)
{
	unsigned int i;

	struct green_slot *s;

	for (i = 0; i < green_rt.nr_workers; i++)
		cache_flush(&green_rt.worker[i]);
	while ((s = green_pile_any()))
		if (!s->slab)
			free(s);
	for (i = 0; i < GAP_CLASSES * GREEN_SIZES; i++) {
		list_free(&warm[0][0] + i);
		list_free(&cold[0][0] + i);
	}
	green_slabs_exit();
}
