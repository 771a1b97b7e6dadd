/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Calls, and what their frames hold. */
#ifndef GREEN_MAPS_SITE_H
#define GREEN_MAPS_SITE_H

#include "maps/record.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A call, decoded. */
struct green_site {
	const void *ret;		/* its return address */
	uint32_t flags;			/* of the function that it is in */
	bool mapped;			/* the words are known */
	uint32_t nr;
	size_t max;
	struct green_words *words;	/* its slots and locals */
};

struct green_sites;

/*
 * By a return address; *@sites remembers, and is the calling worker's. *@site is good
 * until the next question. -ENOENT if the function has no map, -ENOMEM.
 */
int green_map_site(struct green_sites **sites, const void *ret,
		   const struct green_site **site);
void green_sites_free(struct green_sites *sites);

#endif
