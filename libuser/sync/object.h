/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the objects of green_sync.h have in common, struct green_sync_ in public: a lock
 * and those that wait. All zeros: free, and nobody waits.
 *
 * Objects outlive runs: static ones are there in the next green_run(), and in a child of
 * fork(), while threads that waited in them are gone. So an object bears the number of
 * the epoch (green_rt.epoch) in which it was used last; waiters of another one are
 * forgotten, untouched.
 */
#ifndef GREEN_SYNC_OBJECT_H
#define GREEN_SYNC_OBJECT_H

#include "base/lock.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/waiter.h"
#include "base/worker.h"
#include "sched/queue.h"
#include "sched/wait.h"

#include <green_sync.h>
#include <stdbool.h>

struct green_object {
	struct green_spin lock;
	struct green_waiters waiters;
	uintptr_t epoch;		/* or GREEN_OBJECT_GONE */
} __attribute__((may_alias));

static inline struct green_object *green_object_of(struct green_sync_ *s)
{
	return (struct green_object *)s;
}

/* Its number where it was destroyed. */
#define GREEN_OBJECT_GONE UINTPTR_MAX

/* Another epoch's, or destroyed: 0, or -EINVAL. With the lock. */
int green_object_renew(struct green_object *o);

/* 0 with its lock; -EINVAL: it was destroyed. */
static inline int green_object_lock(struct green_object *o)
{
	green_spin_lock(&o->lock, RANK_OBJECT);
	return o->epoch == green_rt.epoch ? 0 : green_object_renew(o);
}

static inline void green_object_unlock(struct green_object *o)
{
	green_spin_unlock(&o->lock, RANK_OBJECT);
}

/* With the lock, which it gives up: -EBUSY if it is in use, or waited in; it is gone else. */
int green_object_destroy(struct green_object *o, bool in_use);

/*
 * The current thread is about to wait: 0, and its deadline is set; or what its call
 * returns instead.
 */
int green_object_may_wait(struct green *t);
/* ... and then waits in @o, whose lock the caller has, and has no more. */
void green_object_park(struct green_object *o, const struct green_wait_kind *kind, void *data);
/* The two of them. */
int green_object_wait(struct green_object *o, const struct green_wait_kind *kind);

/* A kind's abort() where nothing else is to be done. */
bool green_object_leave(struct green *t);

/* With the lock: the first of those that wait, claimed, its call to return 0; or NULL. */
struct green *green_object_first(struct green_object *o);
/* All of them, along next. */
struct green *green_object_all(struct green_object *o);

#endif
