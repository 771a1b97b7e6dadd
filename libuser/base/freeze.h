/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * All workers but the caller's stand still, outside of the runtime or at rest: no object of
 * the runtime is in the middle of a change. For fork().
 */
#ifndef GREEN_BASE_FREEZE_H
#define GREEN_BASE_FREEZE_H

struct green_worker;

/* With several workers. 0, or -errno of membarrier(2), without which they cannot be had. */
int green_freeze_init(void);
void green_freeze(void);
void green_thaw(void);
/* In a child of fork(), which has no other worker. */
void green_freeze_forked(void);

/* The calling worker is about to rest: it touches nothing until green_stir(). */
void green_be_still(struct green_worker *w);
void green_stir(struct green_worker *w);

/* Every store before it is seen by whoever looks after it, on all CPUs that run workers. */
void green_barrier_for_all(void);

#endif
