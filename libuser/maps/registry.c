/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The registry of pointer maps: all functions, sorted by address. Built from
 * the section green_maps of the program, and from the sets that language
 * runtimes register. A function is found by binary search, a call in it by
 * going through its safepoints; each worker remembers the calls it asked for
 * last.
 */
#include "base/fail.h"
#include "maps/maps.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* By the linker, around the section; absent if it has dropped all maps as unused. */
extern const char __start_green_maps[] __attribute__((weak, visibility("hidden")));
extern const char __stop_green_maps[] __attribute__((weak, visibility("hidden")));

struct entry {
	const char *start;
	const void *record;		/* the function's, in its set */
	const struct green_ptrmap_set *set;
	uint32_t code_size;
	uint32_t flags : 24, packed : 1;
};

/* By address. Never changed once it is in use, and not freed: there are few. */
struct table {
	struct table *older;
	size_t nr;
	struct entry entry[];
};

/*
 * Lookups are from anywhere, barriers among it, and take no lock: they read the
 * table that there is. The lock is for those that make another.
 */
static struct {
	pthread_mutex_t lock;
	_Atomic(struct table *) table;
	atomic_uint changes;
	bool own;			/* the program's section is in */
} maps = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const struct green_ptrmap_set own_set = {
	__start_green_maps, __stop_green_maps
};

/* ---- reading a set ---------------------------------------------------- */

struct reader {
	const uint8_t *p, *end;
	bool bad;			/* something was not there, or wrong */
};

/* @bytes of it, which are skipped; NULL if it has less. */
static const uint8_t *take(struct reader *r, uint64_t bytes)
{
	const uint8_t *p = r->p;

	if (r->bad || bytes > (uint64_t)(r->end - p)) {
		r->bad = true;
		return NULL;
	}
	r->p += bytes;
	return p;
}

/* Of a record that is known to be good. */
static uint32_t uleb(const uint8_t **p)
{
	uint32_t value = 0;
	unsigned int shift = 0;

	do
		value |= (uint32_t)(**p & 0x7f) << shift;
	while (shift += 7, *(*p)++ & 0x80);
	return value;
}

static int32_t sleb(const uint8_t **p)
{
	const uint8_t *from = *p;
	uint32_t value = uleb(p);
	unsigned int bits = 7 * (*p - from);

	if (bits < 32 && (*p)[-1] & 0x40)
		value |= ~0u << bits;
	return value;
}

/* A LEB128 number, of which five bytes are enough; returns where it stands. */
static const uint8_t *take_leb(struct reader *r)
{
	const uint8_t *from = r->p, *p = from;

	while (p < r->end && p - from < 4 && *p & 0x80)
		p++;
	if (p == r->end || *p & 0x80)
		r->bad = true;
	return take(r, p + 1 - from);
}

static uint32_t take_u(struct reader *r)
{
	const uint8_t *p = take_leb(r);

	return p ? uleb(&p) : 0;
}

/* A plain record. It must describe exactly its own size. */
static void take_plain(struct reader *r, struct green_map *m)
{
	const struct green_map_func *f = (const void *)take(r, sizeof(*f));
	uint32_t i;

	if (!f)
		return;
	*m = (struct green_map){
		.start = (const char *)&f->func + f->func,
		.code_size = f->code_size,
		.flags = f->flags,
		.name = (const char *)&f->name + f->name,
		.nr_args = f->nr_args,
		.nr_locals = f->nr_locals,
		.nr_safepoints = f->nr_safepoints,
	};
	m->args = take(r, ((uint64_t)f->nr_args + 3) / 4 * 4);
	m->locals = r->p;
	for (i = 0; i < f->nr_locals && !r->bad; i++) {
		const struct green_map_local *l = (const void *)take(r, sizeof(*l));

		if (!l || !l->period || l->base > GREEN_BASE_RSP)
			r->bad = true;
		else
			take(r, ((uint64_t)l->period + 15) / 16 * 4);
	}
	m->safepoints = r->p;
}

static void take_plain_safepoints(struct reader *r, const struct green_map *m)
{
	uint32_t i;

	for (i = 0; i < m->nr_safepoints && !r->bad; i++) {
		const struct green_map_safepoint *s = (const void *)take(r, sizeof(*s));

		if (s)
			take(r, (uint64_t)s->nr_slots * 4);
	}
}

static void take_packed_local(struct reader *r)
{
	uint32_t head = take_u(r), period;

	take_leb(r);
	switch (head & 3) {
	case 0:
		period = take_u(r);
		if (!period)
			r->bad = true;
		take(r, ((uint64_t)period + 3) / 4);
		break;
	case 3:
		r->bad = true;
	}
}

static void take_packed(struct reader *r, struct green_map *m)
{
	const uint8_t *func = take(r, 4), *nul;
	int32_t relative;
	uint32_t i;

	if (!func)
		return;
	memcpy(&relative, func, 4);
	*m = (struct green_map){ .start = (const char *)func + relative, .packed = true };
	m->code_size = take_u(r);
	m->flags = take_u(r);
	m->name = (const char *)r->p;
	nul = memchr(r->p, 0, r->end - r->p);
	take(r, nul ? (uint64_t)(nul + 1 - r->p) : UINT64_MAX);
	m->nr_args = take_u(r);
	m->args = take(r, ((uint64_t)m->nr_args + 3) / 4);
	m->nr_locals = take_u(r);
	m->locals = r->p;
	for (i = 0; i < m->nr_locals && !r->bad; i++)
		take_packed_local(r);
	m->nr_slots = take_u(r);
	m->slots = r->p;
	for (i = 0; i < m->nr_slots && !r->bad; i++)
		take_leb(r);
	m->nr_safepoints = take_u(r);
	m->safepoints = r->p;
}

static void take_packed_safepoints(struct reader *r, const struct green_map *m)
{
	uint32_t i;

	for (i = 0; i < m->nr_safepoints && !r->bad; i++) {
		take_leb(r);
		take(r, ((uint64_t)m->nr_slots + 7) / 8);
	}
}

/* Adds the functions of one record, if there is an array. Returns how many. */
static long read_plain(struct reader *r, const struct green_ptrmap_set *set,
		       struct entry *entry)
{
	const void *record = r->p;
	struct green_map m;

	take_plain(r, &m);
	if (r->bad)
		return 0;
	take_plain_safepoints(r, &m);
	if (entry)
		*entry = (struct entry){ m.start, record, set, m.code_size, m.flags, false };
	return 1;
}

static long read_packed(struct reader *r, const struct green_ptrmap_set *set,
			struct entry *entry)
{
	const struct green_map_pack *pack = (const void *)take(r, sizeof(*pack));
	struct green_map m;
	uint32_t i;

	for (i = 0; pack && i < pack->nr_funcs; i++) {
		const void *record = r->p;

		take_packed(r, &m);
		if (r->bad)
			return 0;
		take_packed_safepoints(r, &m);
		if (entry)
			entry[i] = (struct entry){ m.start, record, set, m.code_size, m.flags, true };
	}
	for (i = 0; i < 3 && !r->bad && r->p < r->end && !*r->p; i++)
		r->p++;
	return pack ? pack->nr_funcs : 0;
}

/* Functions of the set, also put into the array, if there is one; or -EINVAL. */
static long read_set(const struct green_ptrmap_set *set, struct entry *entry)
{
	const uint8_t *p = set->start, *end = set->end;
	long nr = 0;

	while (p < end) {
		const struct green_map_pack *head = (const void *)p;
		struct reader r = { p, p, false };
		struct entry *to = entry ? entry + nr : NULL;

		/* Size and version are in the same place in all of them. */
		if ((uintptr_t)p % 4 || end - p < 8 || head->size % 4 || head->size < 8 ||
		    head->size > (size_t)(end - p))
			return -EINVAL;
		r.end = p + head->size;
		if (head->version == GREEN_MAP_VERSION)
			nr += read_plain(&r, set, to);
		else if (head->version == GREEN_MAP_PACKED)
			nr += read_packed(&r, set, to);
		else
			return -EINVAL;
		if (r.bad || r.p != r.end)
			return -EINVAL;
		p = r.end;
	}
	return nr;
}

/* ---- the registry ----------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

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
	maps.changes++;
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
	read_set(set, new->entry + before);
	qsort(new->entry, new->nr, sizeof(new->entry[0]), by_start);
	publish(new);
	return 0;
}

int green_ptrmap_register(const struct green_ptrmap_set *set)
{
	long nr = read_set(set, NULL);
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

static const struct entry *find(const void *pc)
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
	const struct entry *e = find(pc);

	return e ? e->flags | GREEN_MAPPED : 0;
}

uint32_t green_map_flags_of(const void *func)
{
	const struct entry *e = find(func);

	return e && e->start == func ? e->flags | GREEN_MAPPED : 0;
}

bool green_map_find(const void *pc, struct green_map *m)
{
	const struct entry *e = find(pc);
	struct reader r;

	if (!e)
		return false;
	r = (struct reader){ e->record, e->set->end, false };
	if (e->packed)
		take_packed(&r, m);
	else
		take_plain(&r, m);
	return true;
}

unsigned int green_map_arg(const struct green_map *m, unsigned int i)
{
	if (i >= m->nr_args)
		return GREEN_ARG_OTHER;
	return m->packed ? m->args[i / 4] >> i % 4 * 2 & 3 : m->args[i];
}

/* The map of a call, which says what it keeps; NULL if it has none. */
static const uint8_t *find_safepoint(const struct green_map *m, uint32_t offset)
{
	const struct green_map_safepoint *s;
	const uint8_t *p = m->safepoints;
	uint32_t i, at = 0;

	for (i = 0; i < m->nr_safepoints; i++) {
		if (m->packed) {
			at += uleb(&p);
			if (at == offset)
				return p;
			p += (m->nr_slots + 7) / 8;
		} else {
			s = (const void *)p;
			if (s->offset == offset)
				return p;
			p += sizeof(*s) + 4 * (size_t)s->nr_slots;
		}
	}
	return NULL;
}

/* ---- what a frame holds ----------------------------------------------- */

/* The bits of one word that stands for all. */
static const uint8_t uniform[] = {
	GREEN_WORD_SCALAR, GREEN_WORD_POINTER, GREEN_WORD_AMBIGUOUS
};

/* Neighbours share an entry. */
static void add_slot(struct green_site *s, int64_t offset)
{
	struct green_words *last = s->nr ? &s->words[s->nr - 1] : NULL;

	if (last && last->offset + 8 * (int64_t)last->nr == offset)
		last->nr++;
	else
		s->words[s->nr++] = (struct green_words){
			offset, 1, GREEN_BASE_RSP, 1, &uniform[GREEN_WORD_POINTER],
		};
}

static void decode_plain(const struct green_map *m, const uint8_t *safepoint,
			 struct green_site *s)
{
	const struct green_map_safepoint *sp = (const void *)safepoint;
	const int32_t *slot = (const int32_t *)(sp + 1);
	const uint8_t *p = m->locals;
	uint32_t i;

	for (i = 0; i < sp->nr_slots; i++)
		add_slot(s, slot[i]);
	for (i = 0; i < m->nr_locals; i++) {
		const struct green_map_local *l = (const void *)p;

		p += sizeof(*l);
		s->words[s->nr++] = (struct green_words){
			l->offset, l->size / 8, l->base, l->period, p,
		};
		p += ((size_t)l->period + 15) / 16 * 4;
	}
}

static void decode_packed(const struct green_map *m, const uint8_t *safepoint,
			  struct green_site *s)
{
	const uint8_t *p = m->slots;
	int64_t offset = 0;
	uint32_t i;

	for (i = 0; i < m->nr_slots; i++) {
		offset += 8 * (int64_t)uleb(&p);
		if (safepoint[i / 8] >> i % 8 & 1)
			add_slot(s, offset);
	}
	p = m->locals;
	for (i = 0; i < m->nr_locals; i++) {
		uint32_t head = uleb(&p);
		struct green_words *words = &s->words[s->nr++];

		*words = (struct green_words){
			8 * (int64_t)sleb(&p), head >> 3, head >> 2 & 1, 1,
			&uniform[head & 3],
		};
		if (head & 3)
			continue;
		words->period = uleb(&p);
		words->bits = p;
		p += ((size_t)words->period + 3) / 4;
	}
}

static int decode(const struct green_map *m, const void *ret, struct green_site *s)
{
	const uint8_t *safepoint = find_safepoint(m, (const char *)ret - m->start);
	struct green_words *words;
	size_t max;

	s->flags = m->flags;
	s->mapped = safepoint != NULL;
	s->nr = 0;
	if (!safepoint)
		return 0;
	max = (size_t)m->nr_locals + (m->packed ? m->nr_slots :
		((const struct green_map_safepoint *)safepoint)->nr_slots);
	if (max > s->max) {
		words = realloc(s->words, max * sizeof(*words));
		if (!words)
			return -ENOMEM;
		s->words = words;
		s->max = max;
	}
	if (m->packed)
		decode_packed(m, safepoint, s);
	else
		decode_plain(m, safepoint, s);
	return 0;
}

static void forget_sites(struct green_sites *cache)
{
	size_t i;

	for (i = 0; i < GREEN_SITES; i++)
		cache->site[i].ret = NULL;
	cache->changes = maps.changes;
}

int green_map_site(struct green_sites **sites, const void *ret,
		   const struct green_site **site)
{
	uintptr_t hash = (uintptr_t)ret * 0x9e3779b97f4a7c15 >> 32;
	struct green_site *s;
	struct green_map m;
	int err;

	if (!*sites)
		*sites = calloc(1, sizeof(**sites));
	if (!*sites)
		return -ENOMEM;
	if ((*sites)->changes != maps.changes)
		forget_sites(*sites);
	*site = s = &(*sites)->site[hash % GREEN_SITES];
	if (s->ret == ret)
		return 0;
	s->ret = NULL;
	/* It may be one behind the function's last byte, if the call never returns. */
	if (!green_map_find((const char *)ret - 1, &m))
		return -ENOENT;
	err = decode(&m, ret, s);
	if (!err)
		s->ret = ret;
	return err;
}

void green_sites_free(struct green_sites *sites)
{
	size_t i;

	for (i = 0; sites && i < GREEN_SITES; i++)
		free(sites->site[i].words);
	free(sites);
}
