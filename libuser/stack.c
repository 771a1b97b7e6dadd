/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Stack slots. Those from 16 KiB on are cut from the arena one by one, with a
 * sealed page at the low end; smaller ones are packed (slab.c). A slot keeps its
 * size for good. A free one goes to the worker's cache, which is last in, first
 * out, for it is in the processor's as well; what does not fit there waits in a
 * queue by size, oldest first, so that a stack address that was missed has the
 * longest time to hit a sealed page.
 */
#include "internal.h"
#include "backend.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/*
 * All sizes, and what is kept of each. The least slack is what may be used below
 * the limit at most: a frame of 256 bytes, and under it a leaf function with 256 and
 * the red zone, or green_try() and the entry of growth from a test. A signal's frame
 * does not fit, where it has no stack of its own.
 */
const struct green_size green_sizes[GREEN_SIZES] = {
	/* bytes	slack	cached	warm */
	{ 1UL << 10,	704,	32,	0 },
	{ 2UL << 10,	1024,	32,	0 },
	{ 4UL << 10,	1024,	32,	0 },
	{ 8UL << 10,	1024,	32,	0 },
	{ 16UL << 10,	8192,	32,	64 },
	{ 32UL << 10,	8192,	32,	64 },
	{ 64UL << 10,	8192,	32,	64 },
	{ 128UL << 10,	8192,	16,	64 },
	{ 256UL << 10,	8192,	16,	64 },
	{ 512UL << 10,	8192,	4,	32 },
	{ 1UL << 20,	8192,	2,	16 },
	{ 2UL << 20,	8192,	0,	8 },
	{ 4UL << 20,	8192,	0,	4 },
	{ 8UL << 20,	8192,	0,	2 },
	{ 16UL << 20,	8192,	0,	1 },
	{ 32UL << 20,	8192,	0,	0 },
	{ 64UL << 20,	8192,	0,	0 },
	{ 128UL << 20,	8192,	0,	0 },
	{ 256UL << 20,	8192,	0,	0 },
	{ 512UL << 20,	8192,	0,	0 },
	{ 1UL << 30,	8192,	0,	0 },
	{ 2UL << 30,	8192,	0,	0 },
};

/*
 * The runtime's own stacks, one a worker, are the arena's lowest part: an unwinder
 * that comes from there to a green stack must see addresses rise, or gdb gives up.
 */
#define RUNTIME_STACK	(256UL << 10)

#define DUMP_STEP	(16UL << 20)

/* Slots that a search looks at. */
#define MAX_LOOKS	64

/* Free slots of a size that forced moves go through in turn. */
#define DEBUG_SLOTS	16

#define MAX_POISON	(256UL << 10)

struct free_list {
	struct green_slot *head, **tail;
	unsigned int nr;
};

/* The process's arena; slots are cut from its end downwards, to be below older ones. */
static struct {
	uintptr_t base, floor, brk;
	uintptr_t dumped;		/* from here on it is in core files */
	struct free_list warm[GREEN_SIZES];
	struct free_list cold[GREEN_SIZES];
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

bool green_in_arena(uintptr_t addr)
{
	return addr >= arena.base && addr < arena.base + green_rt.opt.arena_size;
}

static unsigned int size_of(size_t bytes, enum green_slot_kind kind)
{
	unsigned int size = kind == SLOT_ANY ? 0 : GREEN_PACKED;

	while (size < GREEN_SIZES && green_sizes[size].bytes < bytes)
		size++;
	return size;
}

size_t green_bytes_for(size_t room)
{
	unsigned int size = 0;

	while (size < GREEN_SIZES &&
	       green_sizes[size].bytes - (size < GREEN_PACKED ? 0 : GREEN_PAGE) <
	       room + green_sizes[size].slack)
		size++;
	return size < GREEN_SIZES ? green_sizes[size].bytes : 2 * GREEN_LARGEST_STACK;
}

/* In large steps: each is a system call. Without it a core file tells less. */
static void dump_from(uintptr_t addr)
{
	if (!green_rt.backend->dump || addr >= arena.dumped)
		return;
	addr = (addr - arena.floor) / DUMP_STEP * DUMP_STEP + arena.floor;
	green_rt.backend->dump(addr, arena.dumped - addr);
	arena.dumped = addr;
}

uintptr_t green_arena_carve(size_t bytes)
{
	if (arena.brk - arena.floor < bytes)
		return 0;
	arena.brk -= bytes;
	dump_from(arena.brk);
	return arena.brk;
}

/*
 * Sizes mix in the arena; a slot starts at a multiple of a page only, and
 * that is all that over-aligned locals need: both ends of a move agree modulo
 * the page size.
 */
static struct green_slot *slot_carve(unsigned int size)
{
	size_t bytes = green_sizes[size].bytes;
	struct green_slot *s = calloc(1, sizeof(*s));
	uintptr_t lo;

	if (!s)
		return NULL;
	lo = green_arena_carve(bytes);
	if (!lo || green_rt.backend->seal(lo, GREEN_PAGE)) {
		arena.brk += lo ? bytes : 0;
		free(s);
		return NULL;
	}
	s->lo = lo + GREEN_PAGE;
	s->hi = lo + bytes;
	s->size = size;
	return s;
}

/* ---- a worker's cache ---------------------------------------------------- */

/* Debugging: what is used again at once hides what still points there. */
static bool no_caches(void)
{
	return green_rt.debug.seal || green_rt.debug.poison || !green_worker;
}

static struct green_slot *cache_get(unsigned int size)
{
	struct green_slot *s = no_caches() ? NULL : green_worker->cache[size].head;

	if (!s)
		return NULL;
	green_worker->cache[size].head = s->next;
	green_worker->cache[size].nr--;
	return s;
}

static bool cache_put(struct green_slot *s)
{
	if (no_caches() || green_worker->cache[s->size].nr == green_sizes[s->size].cached ||
	    s->sealed)
		return false;
	s->next = green_worker->cache[s->size].head;
	green_worker->cache[s->size].head = s;
	green_worker->cache[s->size].nr++;
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
	return green_rt.debug.move_entry || green_rt.debug.move_call;
}

static struct green_slot *slot_get(unsigned int size, bool cold, uintptr_t below)
{
	struct green_slot *s = NULL;

	if (!cold)
		s = list_get(&arena.warm[size], below);
	if (!s && (!many_slots() || arena.cold[size].nr >= DEBUG_SLOTS))
		s = list_get(&arena.cold[size], below);
	if (!s)
		s = slot_carve(size);
	if (!s)
		s = list_get(&arena.cold[size], below);
	if (!s)
		return NULL;
	if (s->sealed) {
		if (green_rt.backend->reset(s->lo, s->hi - s->lo)) {
			list_put(&arena.cold[size], s);
			return NULL;
		}
		s->sealed = false;
	}
	return s;
}

struct green_slot *green_slot_get(size_t bytes, enum green_slot_kind kind, uintptr_t below)
{
	unsigned int size = size_of(bytes, kind);
	struct green_slot *s = NULL;

	if (bytes > green_rt.opt.max_stack || size == GREEN_SIZES)
		return NULL;
	if (kind != SLOT_COLD && below == UINTPTR_MAX)
		s = cache_get(size);
	if (s)
		return s;
	return size < GREEN_PACKED ? green_slab_get(size) :
				     slot_get(size, kind == SLOT_COLD, below);
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

static void slot_put(struct green_slot *s)
{
	struct free_list *warm = &arena.warm[s->size], *cold = &arena.cold[s->size];

	if (s->slab) {
		green_slab_put(s);
		return;
	}
	if (s->sealed) {
		list_put(cold, s);
		return;
	}
	if (!green_rt.debug.seal && warm->nr < green_sizes[s->size].warm) {
		list_put(warm, s);
		return;
	}
	/* If the pages cannot be given back now, the slot stays warm. */
	if (green_rt.backend->seal(s->lo, s->hi - s->lo)) {
		list_put(warm, s);
		return;
	}
	s->sealed = true;
	list_put(cold, s);
}

void green_slot_put(struct green_slot *s)
{
	/* A packed one cannot be sealed. */
	if ((green_rt.debug.poison || (green_rt.debug.seal && s->slab)) && !s->sealed)
		poison(s);
	if (!cache_put(s))
		slot_put(s);
}

void green_stack_set(struct green *t, struct green_slot *slot)
{
	t->slot = slot;
	t->lo = slot->lo;
	t->hi = slot->hi;
	t->limit = slot->lo + green_slot_slack(slot);
	/* Debugging: every entry check is to call green_stack_grow(). */
	if (green_rt.debug.move_entry)
		t->limit = UINTPTR_MAX;
}

/* ---- the arena's life ---------------------------------------------------- */

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
	if (green_rt.backend->dump)
		green_rt.backend->dump(arena.base, arena.floor - arena.base);
	arena.brk = arena.dumped = arena.base + green_rt.opt.arena_size;
	for (i = 0; i < GREEN_SIZES; i++) {
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
	unsigned int i;

	for (i = 0; i < green_rt.nr_workers; i++)
		cache_flush(&green_rt.worker[i]);
	for (i = 0; i < GREEN_SIZES; i++) {
		while ((s = list_get(&arena.warm[i], UINTPTR_MAX)))
			free(s);
		while ((s = list_get(&arena.cold[i], UINTPTR_MAX)))
			free(s);
	}
	green_slabs_exit();
	green_rt.backend->close();
}
