/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Semaphores: while anybody waits, who posts gives to the first of them. Posts from outside
 * are counted apart, and the semaphore comes to a worker by the inbox (sched/outside.c).
 */
#include "base/fail.h"
#include "calls.h"
#include "sched/outside.h"
#include "sync/object.h"
#include "sync/sem.h"

#include <errno.h>
#include <limits.h>

static const struct green_wait_kind waiting = {
	.name = "semaphore", .abort = green_object_leave,
};

/* Under its lock; those that are outside look without. */
static void set_count(struct green_sem *s, unsigned int count)
{
	__atomic_store_n(&s->count, count, __ATOMIC_RELAXED);
}

/* Each who posted has looked whether there was room, but others may have taken it since. */
static void count_more(struct green_sem *s, unsigned int nr)
{
	static bool said;
	unsigned int room = UINT_MAX - s->count;

	if (nr > room)
		green_complain(&said, "a semaphore is full: %u posts from outside are lost",
			       nr - room);
	set_count(s, s->count + (nr < room ? nr : room));
}

static int down(struct green_sem *s, bool wait)
{
	struct green_object *o = green_object_of(&s->sync);
	int err = green_object_lock(o);

	if (err)
		return err;
	if (!s->count)
		count_more(s, green_outside_left(s));
	if (!s->count && wait)
		return green_object_wait(o, &waiting);
	if (s->count)
		set_count(s, s->count - 1);
	else
		err = -EAGAIN;
	green_object_unlock(o);
	return err;
}

int rt_sem_wait(struct green_sem *s)
{
	return down(s, true);
}

int rt_sem_trywait(struct green_sem *s)
{
	return down(s, false);
}

int rt_sem_post(struct green_sem *s)
{
	struct green_object *o = green_object_of(&s->sync);
	struct green *t;
	int err = green_object_lock(o);

	if (err)
		return err;
	t = green_object_first(o);
	if (!t && s->count == UINT_MAX)
		err = -EOVERFLOW;
	else if (!t)
		set_count(s, s->count + 1);
	green_object_unlock(o);
	if (t)
		green_ready(t);
	return err;
}

int rt_sem_destroy(struct green_sem *s)
{
	struct green_object *o = green_object_of(&s->sync);

	return green_object_lock(o) ?: green_object_destroy(o, green_outside_posts(s));
}

/* ---- from outside ------------------------------------------------------------ */

int rt_sem_post_outside(struct green_sem *s)
{
	if (__atomic_load_n(&s->sync.epoch, __ATOMIC_RELAXED) == GREEN_OBJECT_GONE)
		return -EINVAL;
	return green_outside_post(s);
}

/* Who gets them, along next. From the end of the lock on @s may be gone. */
static struct green *give(struct green_sem *s)
{
	struct green_object *o = green_object_of(&s->sync);
	struct green_queue q;
	struct green *t;
	unsigned int nr;

	green_queue_init(&q);
	if (green_object_lock(o))
		return NULL;
	for (nr = green_outside_take(s); nr && (t = green_object_first(o)); nr--)
		green_queue_put(&q, t);
	count_more(s, nr);
	green_object_unlock(o);
	return q.head;
}

void green_sems_posted(struct green_sem *list)
{
	struct green_sem *next;

	for (; list; list = next) {
		/* Once its posts are taken it may be in the next list. */
		next = list->next_posted;
		green_ready_all(give(list));
	}
}
