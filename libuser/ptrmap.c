/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The registry of pointer maps: all records, sorted by function address. Built
 * from the section green_maps of the program, and from the sets that language
 * runtimes register. Lookup is two binary searches.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* By the linker, around the section; absent if no object has maps. */
extern const char __start_green_maps[] __attribute__((weak, visibility("hidden")));
extern const char __stop_green_maps[] __attribute__((weak, visibility("hidden")));

struct entry {
	const char *start;
	const struct green_map_func *func;
	const struct green_ptrmap_set *set;
};

static struct {
	struct entry *entry;
	size_t nr;
	bool own;			/* the program's section is in */
} maps;

static const struct green_ptrmap_set own_set = {
	__start_green_maps, __stop_green_maps
};

const unsigned char *green_map_args(const struct green_map_func *f)
{
	return (const unsigned char *)(f + 1);
}

const struct green_map_local *green_map_locals(const struct green_map_func *f)
{
	return (const void *)(green_map_args(f) + (f->nr_args + 3) / 4 * 4);
}

const struct green_map_local *green_map_next(const struct green_map_local *l)
{
	return (const void *)(green_map_bitmap(l) + (l->period + 15) / 16);
}

static const struct green_map_safepoint *first_safepoint(const struct green_map_func *f)
{
	const struct green_map_local *l = green_map_locals(f);
	uint32_t i;

	for (i = 0; i < f->nr_locals; i++)
		l = green_map_next(l);
	return (const void *)l;
}

static const struct green_map_safepoint *
next_safepoint(const struct green_map_safepoint *s)
{
	return (const void *)((const int32_t *)(s + 1) + s->nr_slots);
}

const struct green_map_safepoint *green_map_safepoint(const struct green_map_func *f,
						       const void *ret)
{
	const struct green_map_safepoint *s = first_safepoint(f);
	uint32_t i, offset = (const char *)ret - (const char *)green_map_start(f);

	for (i = 0; i < f->nr_safepoints; i++, s = next_safepoint(s))
		if (s->offset == offset)
			return s;
	return NULL;
}

/* Whether @bytes more lie before @end. */
static bool room(const void *p, const char *end, uint64_t bytes)
{
	return (const char *)p <= end && bytes <= (uint64_t)(end - (const char *)p);
}

/* A record must describe exactly its own size. */
static bool record_ok(const struct green_map_func *f, const char *stop)
{
	const struct green_map_safepoint *s;
	const struct green_map_local *l;
	const char *end;
	uint32_t i;

	if ((uintptr_t)f % 4 || !room(f, stop, sizeof(*f)) || !room(f, stop, f->size) ||
	    f->size % 4 || f->version != GREEN_MAP_VERSION)
		return false;
	end = (const char *)f + f->size;
	if (!room(f + 1, end, ((uint64_t)f->nr_args + 3) / 4 * 4))
		return false;
	l = green_map_locals(f);
	for (i = 0; i < f->nr_locals; i++, l = green_map_next(l))
		if (!room(l, end, sizeof(*l)) || !l->period || l->base > GREEN_BASE_RSP ||
		    !room(l + 1, end, ((uint64_t)l->period + 15) / 16 * 4))
			return false;
	s = (const void *)l;
	for (i = 0; i < f->nr_safepoints; i++, s = next_safepoint(s))
		if (!room(s, end, sizeof(*s)) ||
		    !room(s + 1, end, (uint64_t)s->nr_slots * 4))
			return false;
	return (const char *)s == end;
}

static int by_start(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Records of the set, or -EINVAL. */
static long count_records(const struct green_ptrmap_set *set)
{
	const struct green_map_func *f = set->start;
	long nr = 0;

	while ((const char *)f < (const char *)set->end) {
		if (!record_ok(f, set->end))
			return -EINVAL;
		f = (const void *)((const char *)f + f->size);
		nr++;
	}
	return nr;
}

int green_ptrmap_register(const struct green_ptrmap_set *set)
{
	const struct green_map_func *f = set->start;
	long i, nr = count_records(set);
	struct entry *entry;

	if (nr < 0)
		return nr;
	for (i = 0; i < (long)maps.nr; i++)
		if (maps.entry[i].set == set)
			return -EEXIST;
	if (!nr)
		return 0;
	entry = realloc(maps.entry, (maps.nr + nr) * sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	maps.entry = entry;
	for (i = 0; i < nr; i++) {
		entry[maps.nr++] = (struct entry){ green_map_start(f), f, set };
		f = (const void *)((const char *)f + f->size);
	}
	qsort(entry, maps.nr, sizeof(*entry), by_start);
	return 0;
}

int green_ptrmap_unregister(const struct green_ptrmap_set *set)
{
	size_t from, to = 0;

	for (from = 0; from < maps.nr; from++)
		if (maps.entry[from].set != set)
			maps.entry[to++] = maps.entry[from];
	if (to == maps.nr)
		return -ENOENT;
	maps.nr = to;
	return 0;
}

int green_maps_init(void)
{
	int err;

	if (maps.own || !__start_green_maps)
		return 0;
	err = green_ptrmap_register(&own_set);
	maps.own = !err;
	return err;
}

/*
 * By an address inside the function. A return address may be one behind its
 * last byte, if the call does not return: look up the byte before it.
 */
const struct green_map_func *green_map_find(const void *pc)
{
	const char *p = pc;
	size_t lo = 0, hi = maps.nr;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (maps.entry[mid].start <= p)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || (size_t)(p - maps.entry[lo - 1].start) >= maps.entry[lo - 1].func->code_size)
		return NULL;
	return maps.entry[lo - 1].func;
}
