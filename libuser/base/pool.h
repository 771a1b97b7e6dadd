/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Things of one size that a worker keeps for the next thread that needs one. Only its own
 * worker takes from it and puts into it.
 */
#ifndef GREEN_BASE_POOL_H
#define GREEN_BASE_POOL_H

#include <stddef.h>

struct green_pool {
	void *free;			/* each begins with a pointer to the next */
	unsigned int nr;
};

/* @size bytes, zeroed; NULL: there is no memory. To be given back, or to free(). */
void *green_pool_get(struct green_pool *p, size_t size);
/* @thing may be NULL. */
void green_pool_put(struct green_pool *p, void *thing);
void green_pool_exit(struct green_pool *p);

#endif
