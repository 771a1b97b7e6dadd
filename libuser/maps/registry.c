/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The registry of pointer maps: all functions, sorted by address, found by binary
 * search. It is built from the section green_maps of the program, and from the sets
 * that language runtimes register.
 */
#include "base/fail.h"
#include "maps/registry.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* By the linker, around the section; absent if it has dropped all maps as unused. */
extern const char __start_green_maps[] __attribute__((weak, visibility("hidden")));
extern const char __stop_green_maps[] __attribute__((weak, visibility("hidden")));

/* By address. Never changed once it is in use, and not freed: there are few. */
struct table {
	struct table *older;
	size_t nr;
	struct green_function entry[];
};

/*
 * Lookups are from anywhere, barriers among it, and take no lock: they read the
 * table that there is. The lock is for those that make another.
 */
static struct {
	pthread_mutex_t lock;
	_Atomic(struct table *) table;
	bool own;			/* the program's section is in */
} maps = { .lock = PTHREAD_MUTEX_INITIALIZER };

atomic_uint green_map_changes;

static const struct green_ptrmap_set own_set = {
	__start_green_maps, __stop_green_maps
};

static int by_start(const void *a, const void *b)
{
	const struct green_function *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

static struct table *table_new(size_t nr)
{
	struct table *new = malloc(sizeof(*new) + nr * sizeof(new->entry[0]));

	if (new)
		new->nr = nr;
	return new;
}

static void publish(struct table *new)
{
	new->older = maps.table;
	maps.table = new;
	green_map_changes++;
}

static bool is_registered(const struct table *old, const struct green_ptrmap_set *set)
{
	size_t i;

	for (i = 0; old && i < old->nr; i++)
		if (old->entry[i].set == set)
			return true;
	return false;
}

static int add(const struct green_ptrmap_set *set, size_t nr)
{
	const struct table *old = maps.table;
	size_t before = old ? old->nr : 0;
	struct table *new;

	if (is_registered(old, set))
		return -EEXIST;
	new = table_new(before + nr);
	if (!new)
		return -ENOMEM;
	if (old)
		memcpy(new->entry, old->entry, before * sizeof(new->entry[0]));
	green_records_read(set, new->entry + before);
	qsort(new->entry, new->nr, sizeof(new->entry[0]), by_start);
	publish(new);
	return 0;
}

int green_ptrmap_register(const struct green_ptrmap_set *set)
{
	long nr = green_records_read(set, NULL);
	int err = 0;

	if (nr < 0)
		return nr;
	pthread_mutex_lock(&maps.lock);
	if (nr)
		err = add(set, nr);
	pthread_mutex_unlock(&maps.lock);
	return err;
}

static int take_out(const struct green_ptrmap_set *set)
{
	const struct table *old = maps.table;
	struct table *new;
	size_t i, nr = 0;

	if (!is_registered(old, set))
		return -ENOENT;
	new = table_new(old->nr);
	if (!new)
		return -ENOMEM;
	for (i = 0; i < old->nr; i++)
		if (old->entry[i].set != set)
			new->entry[nr++] = old->entry[i];
	new->nr = nr;
	publish(new);
	return 0;
}

int green_ptrmap_unregister(const struct green_ptrmap_set *set)
{
	int err;

	pthread_mutex_lock(&maps.lock);
	err = take_out(set);
	pthread_mutex_unlock(&maps.lock);
	return err;
}

int green_maps_init(void)
{
	int err;

	if (maps.own)
		return 0;
	/* libgreen has some itself. */
	if (!__start_green_maps)
		return green_fail(-ELIBBAD, "the linker has dropped the pointer maps: link "
				  "with -Wl,-z,nostart-stop-gc");
	err = green_ptrmap_register(&own_set);
	maps.own = !err;
	return err;
}

/* ---- lookup ----------------------------------------------------------- */

static const struct green_function *find(const void *pc)
{
	const char *p = pc;
	const struct table *table = maps.table;
	size_t lo = 0, hi = table ? table->nr : 0;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (table->entry[mid].start <= p)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || (size_t)(p - table->entry[lo - 1].start) >= table->entry[lo - 1].code_size)
		return NULL;
	return &table->entry[lo - 1];
}

uint32_t green_map_flags(const void *pc)
{
	const struct green_function *e = find(pc);

	return e ? e->flags | GREEN_MAPPED : 0;
}

uint32_t green_map_flags_of(const void *func)
{
	const struct green_function *e = find(func);

	return e && e->start == func ? e->flags | GREEN_MAPPED : 0;
}

bool green_map_find(const void *pc, struct green_map *m)
{
	const struct green_function *e = find(pc);

	if (e)
		green_record_map(e, m);
	return e;
}
