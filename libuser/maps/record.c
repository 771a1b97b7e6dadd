/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Records of pointer maps, in both forms (green_ptrmap.h). A set comes from a program or
 * a language runtime, and is checked once, whole, before anything else is read of it:
 * nothing here reads beyond a record that has been checked.
 */
#include "maps/record.h"

#include <errno.h>
#include <string.h>

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
		       struct green_function *f)
{
	const void *record = r->p;
	struct green_map m;

	take_plain(r, &m);
	if (r->bad)
		return 0;
	take_plain_safepoints(r, &m);
	if (f)
		*f = (struct green_function){ m.start, record, set, m.code_size, m.flags, false };
	return 1;
}

static long read_packed(struct reader *r, const struct green_ptrmap_set *set,
			struct green_function *f)
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
		if (f)
			f[i] = (struct green_function){ m.start, record, set, m.code_size, m.flags, true };
	}
	for (i = 0; i < 3 && !r->bad && r->p < r->end && !*r->p; i++)
		r->p++;
	return pack ? pack->nr_funcs : 0;
}

long green_records_read(const struct green_ptrmap_set *set, struct green_function *f)
{
	const uint8_t *p = set->start, *end = set->end;
	long nr = 0;

	while (p < end) {
		const struct green_map_pack *head = (const void *)p;
		struct reader r = { p, p, false };
		struct green_function *to = f ? f + nr : NULL;

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

/* ---- a function -------------------------------------------------------- */

void green_record_map(const struct green_function *f, struct green_map *m)
{
	struct reader r = { f->record, f->set->end, false };

	if (f->packed)
		take_packed(&r, m);
	else
		take_plain(&r, m);
}

unsigned int green_map_arg(const struct green_map *m, unsigned int i)
{
	if (i >= m->nr_args)
		return GREEN_ARG_OTHER;
	return m->packed ? m->args[i / 4] >> i % 4 * 2 & 3 : m->args[i];
}

const uint8_t *green_map_safepoint(const struct green_map *m, uint32_t offset)
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

/* Those that were found, so far. */
struct words {
	struct green_words *words;
	uint32_t nr;
};

/* Neighbours share an entry. */
static void add_slot(struct words *s, int64_t offset)
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
			 struct words *s)
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
			  struct words *s)
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

size_t green_map_max_words(const struct green_map *m, const uint8_t *safepoint)
{
	return (size_t)m->nr_locals + (m->packed ? m->nr_slots :
		((const struct green_map_safepoint *)safepoint)->nr_slots);
}

uint32_t green_map_words(const struct green_map *m, const uint8_t *safepoint,
			 struct green_words *words)
{
	struct words s = { words, 0 };

	if (m->packed)
		decode_packed(m, safepoint, &s);
	else
		decode_plain(m, safepoint, &s);
	return s.nr;
}
