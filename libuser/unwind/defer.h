/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Deferred calls. */
#ifndef GREEN_UNWIND_DEFER_H
#define GREEN_UNWIND_DEFER_H

struct green;

struct green_defer;

void green_defers_free(struct green *t);
/* Take the newest record off the chain, into t->rare->call. */
struct green_defer *green_defer_take(struct green *t);
/* A call that was not deferred, in the same place; @t has a struct green_rare. */
struct green_defer *green_call_with(struct green *t, void (*fn)(void *), void *arg);

#endif
