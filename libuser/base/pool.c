/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "base/pool.h"

#include <stdlib.h>
#include <string.h>

/* That many stay; they are for what comes and goes, not for what was needed once. */
#define KEPT	64

void *green_pool_get(struct green_pool *p, size_t size)
{
	void *thing = p->free;

	if (!thing)
		return calloc(1, size);
	p->free = *(void **)thing;
	p->nr--;
	return memset(thing, 0, size);
}

void green_pool_put(struct green_pool *p, void *thing)
{
	if (!thing)
		return;
	if (p->nr == KEPT) {
		free(thing);
		return;
	}
	*(void **)thing = p->free;
	p->free = thing;
	p->nr++;
}

void green_pool_exit(struct green_pool *p)
{
	void *thing;

	while ((thing = p->free)) {
		p->free = *(void **)thing;
		free(thing);
	}
	p->nr = 0;
}
