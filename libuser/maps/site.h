/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Calls, and what their frames hold. */
#ifndef GREEN_MAPS_SITE_H
#define GREEN_MAPS_SITE_H

#include "maps/record.h"
#include "maps/registry.h"
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
	struct green_words *words;	/* its slots and locals, but those that are numbers */
};

/* Those that are remembered, by a hash. */
#define GREEN_SITES 1024

struct green_sites {
	unsigned int changes;		/* of the registry, when these were asked for */
	struct green_site site[GREEN_SITES];
};

static inline struct green_site *green_site_of(struct green_sites *sites, const void *ret)
{
	return &sites->site[((uintptr_t)ret * 0x9e3779b97f4a7c15 >> 32) % GREEN_SITES];
}

/* It is not remembered. */
int green_map_new_site(struct green_sites **sites, const void *ret,
		       const struct green_site **site);

/*
 * By a return address; *@sites remembers, and is the calling worker's. *@site is good
 * until the next question. -ENOENT if the function has no map, -ENOMEM.
 */
static inline int green_map_site(struct green_sites **sites, const void *ret,
				 const struct green_site **site)
{
	if (!*sites || (*sites)->changes != green_map_changes)
		return green_map_new_site(sites, ret, site);
	*site = green_site_of(*sites, ret);
	return (*site)->ret == ret ? 0 : green_map_new_site(sites, ret, site);
}
void green_sites_free(struct green_sites *sites);

#endif
