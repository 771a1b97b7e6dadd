/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The proof that a stack may move. */
#ifndef GREEN_STACK_PROVE_H
#define GREEN_STACK_PROVE_H

#include "base/assert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct green;

struct green_nomove;

struct green_proof;
/* 0, -EBUSY with @why filled, or -ENOMEM. On 0 the bitmap of @p is filled. */
int green_prove(struct green *t, struct green_proof *p,
		struct green_nomove *why);
void green_proof_free(struct green_proof *p);

/* Longs of a bitmap that needs no memory of its own: two pages, and a bit more. */
#define GREEN_PROOF_FEW 18

/*
 * The words of a stack that a move must adjust, as a bitmap over [base, hi).
 */
struct green_proof {
	uintptr_t lo;			/* the stack's range, for values */
	uintptr_t base;			/* of the first page with anything live, or lo */
	uintptr_t sp;
	uintptr_t secured;		/* from here on it is what live frames may rely on */
	uintptr_t hi;
	uint64_t *bits;
	uint64_t *chain;		/* with skip=N: those that proofs go along; else NULL */
	size_t nr;			/* bits set */
	size_t nr_chain;		/* ... of words that proofs go along */
	uint64_t **older;		/* words in older segments */
	size_t nr_older, max_older;
	bool pinned;			/* the thread has pins */
	bool traces;
	uint64_t few[GREEN_PROOF_FEW];	/* bits, if they fit */
};

static inline size_t green_proof_longs(const struct green_proof *p)
{
	return (p->hi - p->base) / 512 + 1;
}

/* Was it not set before? */
static inline bool green_proof_set(struct green_proof *p, uintptr_t addr)
{
	size_t i = (addr - p->base) / 8;
	uint64_t bit = 1ULL << i % 64;

	/* What a map names is live: it lies in the frames, in one piece. */
	green_assert(addr % 8 == 0 && addr >= p->sp && addr < p->hi);
	if (p->bits[i / 64] & bit)
		return false;
	p->bits[i / 64] |= bit;
	p->nr++;
	return true;
}

/*
 * A word that leads to the next frame or record: one that the runtime itself knows
 * of, and not from a map. Left out, no later proof would get past it.
 */
static inline void green_proof_set_chain(struct green_proof *p, uintptr_t addr)
{
	size_t i = (addr - p->base) / 8;

	if (green_proof_set(p, addr))
		p->nr_chain++;
	if (p->chain)
		p->chain[i / 64] |= 1ULL << i % 64;
}

#endif
