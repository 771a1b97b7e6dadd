/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Deferred calls. The chain hangs on the thread, newest first. A record lies in the
 * heap (ours) or on the stack (green_defer_at); argp names the scope that it belongs
 * to. Whether they may move with their stack: stack/prove_defers.c.
 */
#include "base/fail.h"
#include "base/parts.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "maps/registry.h"
#include "memory/slot.h"
#include "stack/bounds.h"
#include "stack/prove_defers.h"
#include "unwind/defer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void count_up(struct green_scope *s)
{
	s->pending = s->pending ? s->pending + 1 : GREEN_SCOPE_MARK | 1;
}

static void count_down(struct green_scope *s)
{
	if (!(--s->pending & GREEN_SCOPE_CALLS))
		s->pending = 0;
}

int rt_defer_push(struct green_scope *s, struct green_defer *rec, green_fn fn,
		  unsigned long meta, const void *a0, const void *a1)
{
	struct green *t = green_worker->current;
	unsigned int flags = meta & GREEN_META_CLOSURE ? GREEN_RECORD_CLOSURE : 0;

	if (t->defers)
		green_defer_scope(t);
	/* For its call: that must not fail. */
	if (!green_rare_of(t))
		return -ENOMEM;
	if (!rec) {
		rec = malloc(sizeof(*rec));
		if (!rec)
			return -ENOMEM;
		flags |= GREEN_RECORD_HEAP;
	}
	*rec = (struct green_defer){
		.link = t->defers,
		.fn = fn,
		.argp = s,
		.nr_args = meta & 0xff,
		.kinds = meta >> 8 & 0xff,
		.flags = flags,
		.args = { (uintptr_t)a0, (uintptr_t)a1 },
	};
	t->defers = rec;
	count_up(s);
	return 0;
}

/* Arguments 2 to 5 of the newest record. */
int rt_defer_more(unsigned long meta, const void *a2, const void *a3, const void *a4,
		  const void *a5)
{
	struct green_defer *rec = green_worker->current->defers;

	rec->nr_args = meta & 0xff;
	rec->kinds |= meta >> 8 & 0xff;
	rec->args[2] = (uintptr_t)a2;
	rec->args[3] = (uintptr_t)a3;
	rec->args[4] = (uintptr_t)a4;
	rec->args[5] = (uintptr_t)a5;
	return 0;
}

/*
 * Nothing has asked for the room that code without tests takes: the function of the
 * scope only knows that it calls the runtime.
 */
static bool lacks_room(const struct green *t, const struct green_defer *call)
{
	return t->sp - t->lo < GREEN_ABI_NEED + green_slot_slack(t->slot) &&
	       !(green_map_flags_of((const void *)call->fn) & GREEN_MAP_TESTS);
}

/*
 * The call goes by way of the thread: in t->rare->call its arguments are outside of
 * the stack and still typed, until the runner has them in registers.
 */
struct green_defer *green_defer_take(struct green *t)
{
	struct green_scope *s = green_defer_scope(t);
	struct green_defer *rec = t->defers, *call = &t->rare->call;

	t->defers = rec->link;
	count_down(s);
	*call = *rec;
	if (lacks_room(t, rec))
		call->flags |= GREEN_RECORD_UNTESTED;
	if (rec->flags & GREEN_RECORD_HEAP)
		free(rec);
	else
		/* Nobody adjusts it any more: leave no address to be taken for one. */
		memset(rec, 0, sizeof(*rec));
	return call;
}

struct green_defer *green_call_with(struct green *t, void (*fn)(void *), void *arg)
{
	struct green_defer *call = &t->rare->call;

	*call = (struct green_defer){
		.fn = (green_fn)fn,
		.nr_args = 1,
		.kinds = 1,
		.args = { (uintptr_t)arg },
	};
	if (lacks_room(t, call))
		call->flags |= GREEN_RECORD_UNTESTED;
	return call;
}

/* green_defer_leave(): the next call of a scope that has some. */
struct green_defer *rt_defer_pop(const struct green_scope *s)
{
	struct green *t = green_worker->current;

	if (!t->defers || t->defers->argp != s)
		green_die(t, "a GREEN_SCOPE was left out of order");
	return green_defer_take(t);
}

/* For a thread that is abandoned with records left. */
void green_defers_free(struct green *t)
{
	struct green_defer *rec, *link;

	for (rec = t->defers; rec; rec = link) {
		/* A record on the stack went with it. */
		if (green_on_stack(t, (uintptr_t)rec))
			break;
		link = rec->link;
		if (rec->flags & GREEN_RECORD_HEAP)
			free(rec);
	}
	t->defers = NULL;
}
