/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The registry of pointer maps, and what it says of functions and calls. */
#ifndef GREEN_MAPS_MAPS_H
#define GREEN_MAPS_MAPS_H

#include <green_ptrmap.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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

/* A call, decoded. */
struct green_site {
	const void *ret;		/* its return address */
	uint32_t flags;			/* of the function that it is in */
	bool mapped;			/* the words are known */
	uint32_t nr;
	size_t max;
	struct green_words *words;	/* its slots and locals */
};

/* The calls that were asked for last, by a hash. */
#define GREEN_SITES 1024

struct green_sites {
	unsigned int changes;		/* of the registry, when these were asked for */
	struct green_site site[GREEN_SITES];
};

int green_maps_init(void);
/* By an address inside the function. */
bool green_map_find(const void *pc, struct green_map *m);
/* GREEN_MAP_* and GREEN_MAPPED of the function that @pc lies in; 0 without a map. */
#define GREEN_MAPPED (1u << 31)
uint32_t green_map_flags(const void *pc);
/* ... of the one that begins at @func. */
uint32_t green_map_flags_of(const void *func);
unsigned int green_map_arg(const struct green_map *m, unsigned int i);
/*
 * By a return address; *@sites remembers, and is the calling worker's. *@site is good
 * until the next question. -ENOENT if the function has no map, -ENOMEM.
 */
int green_map_site(struct green_sites **sites, const void *ret,
		   const struct green_site **site);
void green_sites_free(struct green_sites *sites);

#endif
