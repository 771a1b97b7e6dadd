// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Run queues, and what thieves take of them. */
#include <stdlib.h>

#include "arch/x86_64/frame.h"
#include "base/runtime.h"
#include "base/worker.h"
#include "sched/queue.h"
#include "sched/steal.h"

#include "kselftest_harness.h"
#include "aborts.h"
#include "random.h"

#define WORKERS	3
#define THREADS	40

FIXTURE(queue)
{
	struct green *t;
	struct green_saved fresh;	/* of a thread that has not begun: anybody may run it */
	struct green_worker *w;
};

FIXTURE_SETUP(queue)
{
	green_rt.worker = calloc(WORKERS, sizeof(*green_rt.worker));
	green_rt.nr_workers = WORKERS;
	green_shared = 1;
	self->w = green_rt.worker;
	green_worker = &self->w[0];
	for (int i = 0; i < WORKERS; i++) {
		self->w[i].nr = i;
		green_queue_init(&self->w[i].runq);
		green_queue_init(&self->w[i].aside);
	}
	self->fresh.pc = (uintptr_t)green_thread_entry;
	self->t = calloc(THREADS, sizeof(*self->t));
	for (int i = 0; i < THREADS; i++) {
		self->t[i].id = i;
		self->t[i].state = STATE_READY;
		self->t[i].timer = -1;
		self->t[i].sp = (uintptr_t)&self->fresh;
	}
}

FIXTURE_TEARDOWN(queue)
{
	free(green_rt.worker);
	free(self->t);
}

TEST_F(queue, first_in_first_out)
{
	struct green_queue *q = &self->w[0].runq, other;
	struct random r = { 1 };
	unsigned int in = 0, out = 0;

	green_queue_init(&other);
	EXPECT_EQ(NULL, green_queue_get(q));
	for (int step = 0; step < 5000; step++) {
		if (random_below(&r, 2) && in - out < THREADS - 3) {
			/* One by one, or some at once. */
			unsigned int n = random_below(&r, 3);

			for (unsigned int i = 0; i < n; i++)
				green_queue_put(&other, &self->t[in++ % THREADS]);
			green_queue_append(q, &other);
			ASSERT_EQ(0, green_queue_nr(&other));
		} else if (in != out) {
			ASSERT_EQ(&self->t[out++ % THREADS], green_queue_get(q));
		}
		ASSERT_EQ(in - out, green_queue_nr(q));
	}
}

/* A frame of nobody knows what: only its own worker may run it. */
static struct green_saved foreign = { .pc = 1 };

TEST_F(queue, thieves_take_half_of_what_they_may_run)
{
	struct random r = { 2 };

	for (int round = 0; round < 500; round++) {
		unsigned int nr = random_below(&r, THREADS), may = 0, seen = 0, i;
		bool taken[THREADS] = { false };
		struct green *t, *last = NULL;

		for (i = 0; i < nr; i++) {
			bool bound = !random_below(&r, 3);

			self->t[i].sp = (uintptr_t)(bound ? &foreign : &self->fresh);
			self->t[i].bound = bound;
			may += !bound;
			green_queue_put(&self->w[1].runq, &self->t[i]);
		}
		t = green_next_thread(&self->w[0]);
		ASSERT_EQ(!may, !t);
		/* In order; never one that it may not run; at most half. */
		for (; t; t = green_queue_get(&self->w[0].runq)) {
			ASSERT_FALSE(t->bound);
			ASSERT_TRUE(!last || last->id < t->id);
			taken[t->id] = true;
			last = t;
			seen++;
		}
		ASSERT_LE(seen, (nr + 1) / 2);
		ASSERT_TRUE(!may || seen);
		/* The rest is where it was: first those that were set aside. */
		for (last = NULL; (t = green_next_thread(&self->w[1])); last = t) {
			ASSERT_FALSE(taken[t->id]);
			ASSERT_TRUE(!last || last->id < t->id);
			seen++;
		}
		ASSERT_EQ(nr, seen);
	}
}

TEST_F(queue, the_own_queue_comes_first)
{
	green_queue_put(&self->w[1].runq, &self->t[0]);
	green_queue_put(&self->w[0].runq, &self->t[1]);
	EXPECT_EQ(&self->t[1], green_next_thread(&self->w[0]));
	EXPECT_EQ(&self->t[0], green_next_thread(&self->w[0]));
	EXPECT_EQ(NULL, green_next_thread(&self->w[0]));
}

/* What has yielded is behind what was ready. */
TEST_F(queue, who_yields_comes_last)
{
	green_queue_put(&self->w[0].runq, &self->t[0]);
	self->w[0].yielded = &self->t[1];
	EXPECT_EQ(&self->t[0], green_next_thread(&self->w[0]));
	EXPECT_EQ(&self->t[1], green_next_thread(&self->w[0]));
	EXPECT_EQ(NULL, self->w[0].yielded);
}

static void put(void *t)
{
	green_queue_put(&green_worker->runq, t);
}

TEST_F(queue, an_assertion_notices_one_that_is_not_ready)
{
	EXPECT_FALSE(aborts(put, &self->t[0]));
	self->t[0].state = STATE_PARKED;
	EXPECT_TRUE(aborts(put, &self->t[0]));
}

TEST_HARNESS_MAIN
