/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The same numbers each time. */
#ifndef RANDOM_H
#define RANDOM_H

#include <stdint.h>

struct random {
	uint64_t state;
};

/* xorshift64* */
static inline uint64_t random_next(struct random *r)
{
	if (!r->state)
		r->state = 0x9e3779b97f4a7c15;
	r->state ^= r->state >> 12;
	r->state ^= r->state << 25;
	r->state ^= r->state >> 27;
	return r->state * 0x2545f4914f6cdd1d;
}

static inline unsigned int random_below(struct random *r, unsigned int n)
{
	return (random_next(r) >> 33) % n;
}

#endif
