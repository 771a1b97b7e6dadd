/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Whose turn it is on a worker.
 *
 * A thread belongs to the worker that ran it last, which has its thread-local
 * variables. Another one takes it if it has nothing to do itself, and all frames
 * are of code that computes such addresses anew after each call: what greencc
 * compiled, and the runtime's. So a thread that becomes ready goes to its worker's
 * queue, however long that may be busy, and is taken from there: by one without work,
 * or if all have some, by one that finds that the other has not switched for long.
 * A thread that is bound, or has other code's frames, waits for its worker.
 */
#include "arch/x86_64/frame.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "maps/maps.h"
#include "sched/queue.h"
#include "sched/steal.h"
#include "stack/bounds.h"

#include <errno.h>

/* Frames that a thief looks at. */
#define MAX_FRAMES	1024

/* About 10 ms, whatever the TSC's rate, without a switch. */
#define STUCK_TSC	20000000

static bool computes_addresses(const void *ret)
{
	return green_map_flags((const char *)ret - 1) & (GREEN_MAP_BARRIERS | GREEN_MAP_VERIFIED);
}

/* May another worker run it? */
static bool is_portable(const struct green *t)
{
	const struct green_saved *s = (const void *)t->sp;
	uintptr_t fp = s->rbp;
	const void *ret = (const void *)s->pc;
	unsigned int i;

	if (ret == green_thread_entry)
		return true;
	if (t->bound)
		return false;
	if (ret == (const void *)green_cancelled)
		ret = *(const void **)(s + 1);
	for (i = 0; i < MAX_FRAMES && ret != green_thread_base; i++) {
		if (!green_is_join(ret) && !computes_addresses(ret))
			return false;
		if (fp % 8 || !green_on_stack(t, fp))
			return false;
		ret = ((const void **)fp)[1];
		fp = *(const uintptr_t *)fp;
	}
	return i < MAX_FRAMES;
}

/*
 * The first that may be taken. Those before it, which may not, are set aside, so
 * that nobody looks at them twice; they came first and are still the first.
 */
static struct green *steal_from(struct green_worker *v)
{
	while (v->runq.head) {
		struct green *t = green_queue_get(&v->runq);

		if (is_portable(t)) {
			green_rt.stats.stolen++;
			return t;
		}
		green_queue_put(&v->aside, t);
	}
	return NULL;
}

struct green *green_next_thread(struct green_worker *w)
{
	unsigned int i;

	if (w->aside.head)
		return green_queue_get(&w->aside);
	if (w->runq.head)
		return green_queue_get(&w->runq);
	for (i = 1; i < green_rt.nr_workers; i++) {
		struct green *t = steal_from(&green_rt.worker[(w->nr + i) % green_rt.nr_workers]);

		if (t)
			return t;
	}
	return NULL;
}

void green_rescue(struct green_worker *w)
{
	for (unsigned int i = 0; i < green_rt.nr_workers; i++) {
		struct green_worker *v = &green_rt.worker[i];
		struct green *t = NULL;

		if (v != w && (int64_t)(w->switched - v->switched) > STUCK_TSC)
			t = steal_from(v);
		if (t)
			green_queue_put(&w->runq, t);
	}
}

int rt_bind(void)
{
	green_worker->current->bound++;
	return 0;
}

int rt_unbind(void)
{
	if (!green_worker->current->bound)
		return -EINVAL;
	green_worker->current->bound--;
	return 0;
}
