/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Stack slots: the arena is cut into slots of a power of two, each with a
 * sealed page at its low end. A slot keeps its size for good; free ones wait
 * in a queue by order, oldest first, so that a stack address that was missed
 * has the longest time to hit a sealed page.
 */
#include "internal.h"
#include "backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIN_ORDER	14
#define MAX_ORDER	40

/*
 * The runtime's own stacks, one a worker, are the arena's lowest part: an unwinder
 * that comes from there to a green stack must see addresses rise, or gdb gives up.
 */
#define RUNTIME_STACK	(256UL << 10)

/* Free slots of an order that may keep their pages, for quick reuse, and bytes. */
#define MAX_WARM	64
#define MAX_WARM_BYTES	(16UL << 20)

/* Slots that a search looks at. */
#define MAX_LOOKS	64

/* Free slots of an order that forced moves go through in turn. */
#define DEBUG_SLOTS	16

#define MAX_POISON	(256UL << 10)

struct free_list {
	struct green_slot *head, **tail;
	unsigned int nr;
};

/* The process's arena; slots are cut from its end downwards, to be below older ones. */
static struct {
	uintptr_t base, floor, brk;
	struct free_list warm[MAX_ORDER + 1];
	struct free_list cold[MAX_ORDER + 1];
} arena;

static void list_put(struct free_list *l, struct green_slot *s)
{
	s->next = NULL;
	*l->tail = s;
	l->tail = &s->next;
	l->nr++;
}

/* The oldest that ends at @below; if that is far behind, a new one is as good. */
static struct green_slot *list_get(struct free_list *l, uintptr_t below)
{
	struct green_slot **link = &l->head, *s;
	unsigned int i;

	for (i = 0; *link && (*link)->hi > below && i < MAX_LOOKS; i++)
		link = &(*link)->next;
	s = *link;
	if (!s || s->hi > below)
		return NULL;
	*link = s->next;
	if (!*link)
		l->tail = link;
	l->nr--;
	return s;
}

int green_stacks_init(void)
{
	int i, err = -ENODEV;

	if (!green_rt.debug.user_backend) {
		green_rt.backend = &green_backend_module;
		err = green_rt.backend->open(green_rt.opt.arena_size, &arena.base);
	}
	if (err == -ENODEV) {
		green_rt.backend = &green_backend_user;
		err = green_rt.backend->open(green_rt.opt.arena_size, &arena.base);
	}
	if (err)
		return err;
	arena.floor = arena.base;
	for (i = 0; i < (int)green_rt.nr_workers && !err; i++) {
		err = green_rt.backend->seal(arena.floor, GREEN_PAGE);
		arena.floor += RUNTIME_STACK;
		green_rt.worker[i].sp = arena.floor;
	}
	if (err) {
		green_rt.backend->close();
		return err;
	}
	arena.brk = arena.base + green_rt.opt.arena_size;
	for (i = 0; i <= MAX_ORDER; i++) {
		arena.warm[i] = (struct free_list){ .tail = &arena.warm[i].head };
		arena.cold[i] = (struct free_list){ .tail = &arena.cold[i].head };
	}
	return 0;
}

/*
 * Slots of abandoned threads are not in a list: their memory goes with the
 * arena, their descriptors with the threads (see worker_exit()).
 */
void green_stacks_exit(void)
{
	struct green_slot *s;
	int i;

	for (i = 0; i <= MAX_ORDER; i++) {
		while ((s = list_get(&arena.warm[i], UINTPTR_MAX)))
			free(s);
		while ((s = list_get(&arena.cold[i], UINTPTR_MAX)))
			free(s);
	}
	green_rt.backend->close();
}

bool green_in_arena(uintptr_t addr)
{
	return addr >= arena.base && addr < arena.base + green_rt.opt.arena_size;
}

static unsigned int order_of(size_t size)
{
	unsigned int order = MIN_ORDER;

	while (order < MAX_ORDER && (1UL << order) < size)
		order++;
	return order;
}

/*
 * Orders mix in the arena; a slot starts at a multiple of a page only, and
 * that is all that over-aligned locals need: both ends of a move agree modulo
 * the page size.
 */
static struct green_slot *slot_carve(unsigned int order)
{
	size_t size = 1UL << order;
	struct green_slot *s;

	if (arena.brk - arena.floor < size)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	if (green_rt.backend->seal(arena.brk - size, GREEN_PAGE)) {
		free(s);
		return NULL;
	}
	s->hi = arena.brk;
	arena.brk -= size;
	s->lo = arena.brk + GREEN_PAGE;
	s->order = order;
	return s;
}

/*
 * Debugging: a stack that moves to and fro between two slots would make each
 * address that was missed right again with every other move.
 */
static bool many_slots(void)
{
	return green_rt.debug.move_entry || green_rt.debug.move_call;
}

struct green_slot *green_slot_get(size_t size, bool cold,
				  uintptr_t below)
{
	unsigned int order = order_of(size);
	struct green_slot *s = NULL;

	if (size > green_rt.opt.max_stack)
		return NULL;
	if (!cold)
		s = list_get(&arena.warm[order], below);
	if (!s && (!many_slots() || arena.cold[order].nr >= DEBUG_SLOTS))
		s = list_get(&arena.cold[order], below);
	if (!s)
		s = slot_carve(order);
	if (!s)
		s = list_get(&arena.cold[order], below);
	if (!s)
		return NULL;
	if (s->sealed) {
		if (green_rt.backend->reset(s->lo, s->hi - s->lo)) {
			list_put(&arena.cold[order], s);
			return NULL;
		}
		s->sealed = false;
	}
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

void green_slot_put(struct green_slot *s)
{
	if (green_rt.debug.poison && !s->sealed)
		poison(s);
	if (s->sealed) {
		list_put(&arena.cold[s->order], s);
		return;
	}
	if (arena.warm[s->order].nr < MAX_WARM &&
	    arena.warm[s->order].nr < MAX_WARM_BYTES >> s->order) {
		list_put(&arena.warm[s->order], s);
		return;
	}
	/* If the pages cannot be given back now, the slot stays warm. */
	if (green_rt.backend->seal(s->lo, s->hi - s->lo)) {
		list_put(&arena.warm[s->order], s);
		return;
	}
	s->sealed = true;
	list_put(&arena.cold[s->order], s);
}

void green_stack_set(struct green *t, struct green_slot *slot)
{
	t->slot = slot;
	t->lo = slot->lo;
	t->hi = slot->hi;
	t->limit = slot->lo + GREEN_SLACK;
	/* Debugging: every entry check is to call green_stack_grow(). */
	if (green_rt.debug.move_entry)
		t->limit = UINTPTR_MAX;
}
