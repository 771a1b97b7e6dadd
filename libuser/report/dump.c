/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What all threads wait for, where, and for how long: for green_dump() and the report of a
 * deadlock. Others run meanwhile. A thread that is parked is held while it is looked at, so
 * that it neither moves nor goes on, and its lock keeps it from ending; nothing is written, and
 * no symbol looked for, before both are given up. Of one that runs, or is ready where
 * there are several workers, no more is said than that: its stack is another's.
 */
#include "base/handle.h"
#include "base/lock.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "io/call.h"
#include "maps/symbol.h"
#include "report/dump.h"
#include "sched/claim.h"
#include "sched/wait.h"
#include "stack/frames.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct look {
	unsigned long long id;
	char name[32];
	enum green_state state;
	const char *kind;		/* of wait; NULL: it does not wait */
	bool io, join;
	uintptr_t on;			/* the object, the descriptor, or the other's id */
	uint64_t since;			/* in ticks of the TSC */
	const void *pc;			/* NULL: nobody knows */
};

/* The call of the runtime that it is in. */
static const void *place_of(const struct green *t)
{
	struct green_frame f;

	/* It has switched to a stack of its own. */
	if (t->sp < t->lo || t->sp >= t->hi)
		return NULL;
	green_frame_first(t, &f);
	green_frame_skip_entry(&f);
	return f.ret;
}

static void look_at_wait(const struct green *t, struct look *l)
{
	l->kind = t->wait->name;
	l->since = t->since;
	l->io = t->io && (t->io->busy || t->io->in_flight);
	l->join = t->wait->thread;
	if (l->io)
		l->on = (uintptr_t)t->io->fd;
	else if (l->join)
		l->on = ((const struct green *)t->wait_on)->id;
	else
		l->on = (uintptr_t)t->wait_on;
}

/* False: there is no thread. */
static bool look_at(unsigned long i, struct look *l)
{
	struct green *t = green_thread_at(i);
	bool held;

	if (!t)
		return false;
	memset(l, 0, sizeof(*l));
	green_spin_lock(&t->lock, RANK_THREAD);
	l->state = green_state(t);
	l->id = t->id;
	snprintf(l->name, sizeof(l->name), "%s", t->name ? t->name : "unnamed");
	held = green_hold(t);
	if (held)
		look_at_wait(t, l);
	if (held || t == green_worker->current || (!green_shared && l->state == STATE_READY))
		l->pc = place_of(t);
	if (held)
		green_let_go(t);
	green_spin_unlock(&t->lock, RANK_THREAD);
	return l->state != STATE_UNUSED && l->state != STATE_DONE;
}

static unsigned long long milliseconds_since(uint64_t ticks)
{
	uint64_t ns = green_now_ns() - green_rt.began_ns;
	uint64_t all = __builtin_ia32_rdtsc() - green_rt.began_tsc;
	uint64_t now = green_rt.began_tsc + all;

	/* A worker's clock that was not read yet is 0. */
	if (ticks < green_rt.began_tsc)
		ticks = green_rt.began_tsc;
	return now > ticks && all ? (unsigned long long)((double)(now - ticks) / all * ns / 1e6) : 0;
}

static int describe(const struct look *l, char *buf, size_t size)
{
	if (!l->kind)
		return snprintf(buf, size, "%s", l->state == STATE_RUNNING ? "runs" : "is ready");
	if (l->io && (int)l->on >= 0)
		return snprintf(buf, size, "waits for %s of descriptor %d", l->kind, (int)l->on);
	if (l->join)
		return snprintf(buf, size, "waits for the end of thread %llu",
				(unsigned long long)l->on);
	if (l->on && !l->io)
		return snprintf(buf, size, "waits for %s at %#lx", l->kind, l->on);
	return snprintf(buf, size, "waits for %s", l->kind);
}

/* In one piece: other workers write as well. */
static int say(int fd, const struct look *l)
{
	char line[512], what[100], where[160] = "";
	int n, old = errno;

	describe(l, what, sizeof(what));
	n = snprintf(line, sizeof(line), "green: thread %llu (%s): %s", l->id, l->name, what);
	if (l->kind)
		n += snprintf(line + n, sizeof(line) - n, " for %llu ms", milliseconds_since(l->since));
	if (l->pc) {
		green_place(l->pc, true, where, sizeof(where));
		n += snprintf(line + n, sizeof(line) - n, ", at %s", where);
	}
	line[n++] = '\n';
	n = write(fd, line, n) < 0 ? -errno : 0;
	errno = old;
	return n;
}

int green_dump_threads(int fd, int most)
{
	int nr = 0, err = 0;
	struct look l;

	for (unsigned long i = 0; i < green_descriptors() && !err; i++)
		if (look_at(i, &l) && nr++ < most)
			err = say(fd, &l);
	return err ?: nr;
}

int rt_dump(int fd)
{
	return green_dump_threads(fd, INT_MAX);
}
