/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "base/parts.h"
#include "base/thread.h"
#include "base/worker.h"
#include "io/call.h"

#include <stdlib.h>

static struct green_rare *get_rare(struct green_worker *w)
{
	return green_pool_get(&w->rares, sizeof(struct green_rare));
}

struct green_rare *green_rare_of(struct green *t)
{
	if (!t->rare)
		t->rare = get_rare(green_worker);
	return t->rare;
}

struct green_io *green_io_of(struct green *t)
{
	if (!t->io)
		t->io = green_pool_get(&green_worker->ios, sizeof(struct green_io));
	return t->io;
}

/*
 * A thread takes one at most before its worker has filled the reserve again. A handler that
 * comes in between takes the same for the same thread.
 */
struct green_rare *green_rare_of_running(struct green *t)
{
	if (!t->rare) {
		t->rare = green_worker->reserve;
		green_worker->reserve = NULL;
	}
	return t->rare;
}

void green_rare_reserve(struct green_worker *w)
{
	if (!w->reserve)
		w->reserve = get_rare(w);
}

static void free_rare(struct green *t)
{
	green_pool_put(&green_worker->rares, t->rare);
	t->rare = NULL;
}

static void free_io(struct green *t)
{
	green_pool_put(&green_worker->ios, t->io);
	t->io = NULL;
}

/* Deferred calls and segments find a place in it when they end. */
static bool needs_rare(const struct green *t)
{
	const struct green_rare *r = t->rare;

	return t->defers || t->segment || r->panics || r->spare || r->values ||
	       r->escapes.nr || r->call.fn || r->caught || r->exiting;
}

void green_parts_give_back(struct green *t)
{
	if (t->rare && !needs_rare(t))
		free_rare(t);
	if (t->io && !t->io->busy)
		free_io(t);
}

void green_parts_free(struct green *t)
{
	free_rare(t);
	free_io(t);
}

void green_parts_abandon(struct green *t)
{
	free(t->rare);
	free(t->io);
	t->rare = NULL;
	t->io = NULL;
}
