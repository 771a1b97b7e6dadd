// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The heap of timers, against a list that is searched. */
#include <stdlib.h>

#include "base/runtime.h"
#include "base/worker.h"
#include "sched/claim.h"
#include "sched/timer.h"

#include "kselftest_harness.h"
#include "aborts.h"
#include "random.h"

#define THREADS	200

FIXTURE(timer)
{
	struct green_worker *w;
	struct green *t;
	uint64_t *at;			/* when each is to ring */
};

FIXTURE_SETUP(timer)
{
	self->w = calloc(1, sizeof(*self->w));
	self->t = calloc(THREADS, sizeof(*self->t));
	self->at = calloc(THREADS, sizeof(*self->at));
	for (int i = 0; i < THREADS; i++) {
		self->t[i].home = self->w;
		self->t[i].timer = -1;
		self->t[i].state = STATE_PARKED;
	}
}

FIXTURE_TEARDOWN(timer)
{
	green_timers_free(&self->w->timers);
	free(self->w);
	free(self->t);
	free(self->at);
}

/* The earliest there is, or 0. */
static uint64_t first(const struct green *t, const uint64_t *at)
{
	uint64_t least = 0;

	for (int i = 0; i < THREADS; i++)
		if (t[i].timer >= 0 && (!least || at[i] < least))
			least = at[i];
	return least;
}

TEST_F(timer, rings_in_order_whatever_comes_and_goes)
{
	struct random r = { 1 };
	unsigned int rung = 0, nr = 0;
	uint64_t now = 1;

	for (int step = 0; step < 20000; step++) {
		struct green *t = &self->t[random_below(&r, THREADS)];
		uint64_t was = first(self->t, self->at), at = now + random_below(&r, 50);

		if (random_below(&r, 3)) {
			if (t->timer < 0) {
				/* Does the ring have to be told? */
				self->at[t - self->t] = at;
				ASSERT_EQ(!was || at < was, green_timer_add(t, at));
				nr++;
			} else {
				green_timer_del(t);
				ASSERT_EQ(-1, t->timer);
				nr--;
			}
		} else {
			now += random_below(&r, 3);
			while ((t = green_timer_claim(self->w, now))) {
				ASSERT_EQ(was, self->at[t - self->t]);
				ASSERT_LE(was, now);
				ASSERT_EQ(-1, t->timer);
				ASSERT_EQ(STATE_CLAIMED, t->state);
				t->state = STATE_PARKED;
				was = first(self->t, self->at);
				rung++;
				nr--;
			}
			ASSERT_TRUE(!was || was > now);
		}
		ASSERT_EQ(nr, green_timers(self->w));
		ASSERT_EQ(first(self->t, self->at), green_timer_next(self->w));
	}
	EXPECT_LT(1000, rung);
}

/* Who has claimed it takes it out, or lets it wait on: then it rings. */
TEST_F(timer, one_that_another_has_claimed_is_left_to_that)
{
	ASSERT_EQ(1, green_timer_add(&self->t[0], 10));
	ASSERT_EQ(0, green_timer_add(&self->t[1], 20));
	self->t[0].state = STATE_CLAIMED;
	EXPECT_EQ(NULL, green_timer_claim(self->w, 30));
	EXPECT_EQ(2, green_timers(self->w));
	green_timer_del(&self->t[0]);
	EXPECT_EQ(&self->t[1], green_timer_claim(self->w, 30));
	ASSERT_EQ(1, green_timer_add(&self->t[0], 10));
	EXPECT_EQ(NULL, green_timer_claim(self->w, 30));
	green_unclaim(&self->t[0]);
	EXPECT_EQ(&self->t[0], green_timer_claim(self->w, 30));
}

/* It has set its timer, and is still on its way into the wait. */
TEST_F(timer, one_that_is_about_to_park_is_found_when_it_has)
{
	self->t[0].state = STATE_RUNNING;
	ASSERT_EQ(1, green_timer_add(&self->t[0], 10));
	EXPECT_EQ(NULL, green_timer_claim(self->w, 30));
	EXPECT_EQ(10, green_timer_next(self->w));
	self->t[0].state = STATE_PARKED;
	EXPECT_EQ(&self->t[0], green_timer_claim(self->w, 30));
}

TEST_F(timer, times_at_the_end_of_the_clock)
{
	ASSERT_EQ(1, green_timer_add(&self->t[0], UINT64_MAX));
	ASSERT_EQ(1, green_timer_add(&self->t[1], 1));
	EXPECT_EQ(NULL, green_timer_claim(self->w, 0));
	EXPECT_EQ(&self->t[1], green_timer_claim(self->w, UINT64_MAX - 1));
	EXPECT_EQ(NULL, green_timer_claim(self->w, UINT64_MAX - 1));
	EXPECT_EQ(&self->t[0], green_timer_claim(self->w, UINT64_MAX));
}

static void twice(void *arg)
{
	struct green *t = arg;

	green_timer_add(t, 10);
	green_timer_add(t, 20);
}

static void change_a_key(void *arg)
{
	struct green *t = arg;

	for (int i = 0; i < 7; i++)
		green_timer_add(&t[i], 10 * i);
	t->home->timers.heap[5].at = 5;
	green_timer_del(&t[1]);
}

static void change_a_number(void *arg)
{
	struct green *t = arg;

	for (int i = 0; i < 7; i++)
		green_timer_add(&t[i], 10 * i);
	t[3].timer = t[4].timer;
	green_timer_del(&t[3]);
	green_timer_del(&t[4]);
}

TEST_F(timer, a_child_has_none)
{
	struct green_timers *h = &self->w->timers;

	for (int i = 0; i < 100; i++)
		ASSERT_LE(0, green_timer_add(&self->t[i], 200 - i));
	for (int i = 0; i < 100; i += 3)
		green_timer_del(&self->t[i]);
	green_timers_forked(h);
	EXPECT_EQ(0, green_timers(self->w));
	EXPECT_EQ(0, green_timer_next(self->w));
	/* And may have as many as there is memory for already, and more. */
	for (int i = 0; i < THREADS; i++) {
		self->t[i].timer = -1;
		ASSERT_EQ(!i, green_timer_add(&self->t[i], 10 + i));
	}
	for (int i = 0; i < THREADS; i++)
		ASSERT_EQ(&self->t[i], green_timer_claim(self->w, UINT64_MAX));
}

TEST_F(timer, assertions_notice)
{
	EXPECT_TRUE(aborts(twice, self->t));
	EXPECT_TRUE(aborts(change_a_key, self->t));
	EXPECT_TRUE(aborts(change_a_number, self->t));
}

TEST_HARNESS_MAIN
