/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Records of pointer maps, decoded. */
#ifndef GREEN_MAPS_RECORD_H
#define GREEN_MAPS_RECORD_H

#include <green_ptrmap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A function that has a record. */
struct green_function {
	const char *start;
	const void *record;		/* in its set */
	const struct green_ptrmap_set *set;
	uint32_t code_size;
	uint32_t flags : 24, packed : 1;
};

/* A function's map, whichever the form of its record. */
struct green_map {
	const char *start;
	uint32_t code_size;
	uint32_t flags;
	const char *name;
	bool packed;			/* the form of what these point to */
	uint32_t nr_args, nr_locals, nr_slots, nr_safepoints;
	const uint8_t *args, *locals, *slots, *safepoints;
};

/* Words of a frame in a row. */
struct green_words {
	int64_t offset;			/* of the first, from the base */
	uint32_t nr;
	uint32_t base;			/* GREEN_BASE_* */
	uint32_t period;
	const uint8_t *bits;		/* two a word, for period words */
};

/*
 * How many functions the set has, or -EINVAL; they are also put into the array, if there
 * is one.
 */
long green_records_read(const struct green_ptrmap_set *set, struct green_function *f);
/* Of a record that green_records_read() has found good, like all below. */
void green_record_map(const struct green_function *f, struct green_map *m);
/* GREEN_ARG_* */
unsigned int green_map_arg(const struct green_map *m, unsigned int i);
/* What a call keeps, by its return address from the function's start; NULL: unknown. */
const uint8_t *green_map_safepoint(const struct green_map *m, uint32_t offset);
/* The words of a frame at such a call, its slots and its locals; returns how many. */
uint32_t green_map_words(const struct green_map *m, const uint8_t *safepoint,
			 struct green_words *words);
/* Room that is enough for them. */
size_t green_map_max_words(const struct green_map *m, const uint8_t *safepoint);

#endif
