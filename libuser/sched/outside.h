/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Calls from outside: by OS threads that are no workers, and by signal handlers. Those are
 * no business of locks, and with one worker there are none. So who calls puts down what is
 * to be done, and a worker does that where it looks around.
 */
#ifndef GREEN_SCHED_OUTSIDE_H
#define GREEN_SCHED_OUTSIDE_H

#include <green_sync.h>
#include <stdbool.h>
#include <stdint.h>

struct green;

/* ---- for who is outside ---------------------------------------------------- */

typedef long (*green_outside_fn)(long a, long b, long c);

/*
 * What @fn(@a, @b, @c) returned, called by a worker, on its stack and with nobody current.
 * -EPERM: there is no run, or the caller is a handler on a worker, which must not wait
 * for that; -ESHUTDOWN: the run is over, and it was not called.
 */
long green_outside_call_(green_outside_fn fn, long a, long b, long c);
#define green_outside_call(fn, a, b, c)					\
	green_outside_call_((green_outside_fn)(green_fn)(fn), (long)(a), (long)(b), (long)(c))
/*
 * The same for a call that may have to wait. It is given a guest, which is a thread that has
 * neither a stack nor a home, and may be parked in lists of waiters; @fn returns
 * GREEN_OUTSIDE_PARKED then, and the caller has guest->ret when that is readied.
 */
#define GREEN_OUTSIDE_PARKED 1
typedef long (*green_outside_wait_fn)(struct green *guest, long a, long b);
long green_outside_wait(green_outside_wait_fn fn, long a, long b);
/* @s is to be posted: 0; -EINVAL, -EOVERFLOW; -EPERM: there is no run. For handlers, too. */
int green_outside_post(struct green_sem *s);

/* ---- for workers ----------------------------------------------------------- */

/* Is there anything to be done? */
bool green_outside_waits(void);
/* Does it. Was there anything? The caller does not rest. */
bool green_outside_look(void);
/* Somebody outside has said that he will call. */
bool green_outside_is_expected(void);
/* The wait of @guest is over. */
void green_outside_ready(struct green *guest);

/* Posts to @s that no worker has taken yet. With its lock. */
bool green_outside_posts(const struct green_sem *s);
/* ... are the caller's. */
unsigned int green_outside_take(struct green_sem *s);
/* Those that an earlier run has left, or the parent of fork(). */
unsigned int green_outside_left(struct green_sem *s);

/* ---- for runs --------------------------------------------------------------- */

/* From here on calls are let in. */
void green_outside_open(void);
/*
 * ... and from here on not. Those that nobody has begun return -ESHUTDOWN. @goes_on: it is
 * opened again, with what it expects.
 */
void green_outside_close(bool goes_on);
/* In a child of fork(), where those that called are not; and whether there is a run. */
void green_outside_forked(bool runs);

#endif
