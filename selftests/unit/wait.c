// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The wait protocol: lists of waiters, and claims, of which one succeeds. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/lock.h"
#include "base/runtime.h"
#include "base/worker.h"
#include "sched/claim.h"
#include "sched/wait.h"

#include "kselftest_harness.h"
#include "aborts.h"
#include "random.h"

#define THREADS	20

FIXTURE(wait)
{
	struct green *t;
	struct green_waiters list;
};

FIXTURE_SETUP(wait)
{
	green_shared = 1;
	self->t = calloc(THREADS, sizeof(*self->t));
	self->list = (struct green_waiters){ 0 };
	for (int i = 0; i < THREADS; i++) {
		self->t[i].id = i;
		self->t[i].state = STATE_PARKED;
		self->t[i].timer = -1;
	}
}

FIXTURE_TEARDOWN(wait)
{
	free(self->t);
}

/* An array of what the list should have. */
struct model {
	struct green *t[THREADS];
	unsigned int nr;
};

static void model_del(struct model *m, unsigned int at)
{
	for (m->nr--; at < m->nr; at++)
		m->t[at] = m->t[at + 1];
}

static bool same(const struct green_waiters *list, const struct model *m)
{
	const struct green_waiter *w = list->first;
	unsigned int i;

	for (i = 0; i < m->nr; i++, w = w->next)
		if (!w || w->t != m->t[i])
			return false;
	return !w && (m->nr ? list->last->t == m->t[m->nr - 1] : !list->last);
}

TEST_F(wait, lists_keep_their_order_whoever_leaves)
{
	struct model m = { .nr = 0 };
	struct random r = { 1 };

	for (int step = 0; step < 20000; step++) {
		struct green *t = &self->t[random_below(&r, THREADS)];
		struct green_waiter *w;
		unsigned int i;

		for (i = 0; i < m.nr && m.t[i] != t; i++)
			;
		switch (random_below(&r, 4)) {
		case 0:
		case 1:
			if (i < m.nr)
				break;
			t->state = STATE_PARKED;
			green_wait_in(&self->list, t, NULL);
			m.t[m.nr++] = t;
			break;
		case 2:
			green_waiter_del(&self->list, &t->waiter);
			if (i < m.nr)
				model_del(&m, i);
			break;
		case 3:
			/* Some have been claimed by others: those are passed over, and are out. */
			if (i < m.nr && random_below(&r, 2))
				t->state = STATE_CLAIMED;
			while (m.nr && m.t[0]->state != STATE_PARKED)
				model_del(&m, 0);
			w = green_waiter_claim(&self->list);
			ASSERT_EQ(m.nr ? m.t[0] : NULL, w ? w->t : NULL);
			if (w) {
				ASSERT_EQ(STATE_CLAIMED, w->t->state);
				model_del(&m, 0);
			}
			break;
		}
		ASSERT_TRUE(same(&self->list, &m));
	}
}

TEST_F(wait, addresses_on_the_stack_that_moves_are_adjusted)
{
	char stack[64];
	uintptr_t lo = (uintptr_t)stack + 8, hi = (uintptr_t)stack + 32;
	struct green *t = &self->t[0];

	for (size_t i = 0; i < sizeof(stack); i++) {
		t->waiter.data = stack + i;
		green_waiter_adjust(t, lo, hi, 4096);
		ASSERT_EQ(stack + i + (i >= 8 && i < 32 ? 4096 : 0), t->waiter.data);
	}
}

TEST_F(wait, claims_by_state)
{
	static const enum green_state no[] = {
		STATE_UNUSED, STATE_READY, STATE_RUNNING, STATE_CLAIMED, STATE_DONE,
	};
	struct green *t = &self->t[0];

	for (unsigned int i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		t->state = no[i];
		EXPECT_FALSE(green_claim(t));
		EXPECT_FALSE(green_hold(t));
		EXPECT_EQ(no[i], t->state);
	}
	t->state = STATE_PARKED;
	EXPECT_TRUE(green_hold(t));
	EXPECT_FALSE(green_hold(t));
	green_let_go(t);
	EXPECT_TRUE(green_claim(t));
	EXPECT_FALSE(green_claim(t));
	green_unclaim(t);
	EXPECT_EQ(STATE_PARKED, t->state);
}

/* ---- by several OS threads at once ------------------------------------------ */

#define CLAIMERS	3
#define ROUNDS		300

static struct {
	struct green t;
	atomic_uint round, tries, ended;
	atomic_bool moving;
	unsigned int claims[CLAIMERS];
	unsigned int lost;
	atomic_uint touched;
} race;

/* Each tries once a round. */
static void *claimer(void *arg)
{
	unsigned int *claims = arg;

	for (unsigned int round = 1; round <= ROUNDS; round++) {
		while (atomic_load(&race.round) < round)
			sched_yield();
		atomic_fetch_add(&race.tries, 1);
		if (green_claim(&race.t)) {
			(*claims)++;
			/* It is this one's, and nobody has its stack in hand. */
			race.touched += atomic_load(&race.moving);
		}
		atomic_fetch_add(&race.ended, 1);
	}
	return NULL;
}

TEST(one_of_many_ends_a_wait_while_its_stack_is_moved)
{
	pthread_t thread[CLAIMERS];
	unsigned int i, sum = 0;

	green_shared = 1;
	race.t.state = STATE_RUNNING;
	for (i = 0; i < CLAIMERS; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, claimer, &race.claims[i]));
	for (i = 1; i <= ROUNDS; i++) {
		/* Every other time they find it moving. */
		atomic_store(&race.moving, i % 2);
		green_set_state(&race.t, i % 2 ? STATE_MOVING : STATE_PARKED);
		atomic_store(&race.round, i);
		if (i % 2) {
			while (atomic_load(&race.tries) == CLAIMERS * (i - 1))
				sched_yield();
			sched_yield();
			atomic_store(&race.moving, false);
			green_let_go(&race.t);
		} else if (green_hold(&race.t)) {
			atomic_store(&race.moving, true);
			atomic_store(&race.moving, false);
			green_let_go(&race.t);
		}
		while (atomic_load(&race.ended) < CLAIMERS * i)
			sched_yield();
		/* Nobody gave up because a mover was there. */
		race.lost += green_state(&race.t) != STATE_CLAIMED;
	}
	for (i = 0; i < CLAIMERS; i++) {
		pthread_join(thread[i], NULL);
		sum += race.claims[i];
	}
	EXPECT_EQ(ROUNDS, sum);
	EXPECT_EQ(0, race.lost);
	EXPECT_EQ(0, race.touched);
}

/* ---- what the assertions notice --------------------------------------------- */

static void put_twice(void *arg)
{
	struct green_waiters list = { 0 };

	green_wait_in(&list, arg, NULL);
	green_wait_in(&list, arg, NULL);
}

static void out_of_another(void *arg)
{
	struct green_waiters list = { 0 }, other = { 0 };
	struct green *t = arg;

	green_wait_in(&list, &t[0], NULL);
	green_wait_in(&other, &t[1], NULL);
	green_waiter_del(&other, &t[0].waiter);
}

static void ready_without_a_claim(void *arg)
{
	struct green *t = arg;

	t->home = calloc(1, sizeof(*t->home));
	green_ready(t);
}

static void lower_rank(void *arg)
{
	struct green_spin *lock = arg;

	green_spin_lock(&lock[0], RANK_QUEUE);
	green_spin_lock(&lock[1], RANK_OBJECT);
}

static void higher_address_first(void *arg)
{
	struct green_spin *lock = arg;

	green_spin_lock(&lock[1], RANK_OBJECT);
	green_spin_lock(&lock[0], RANK_OBJECT);
}

static void as_they_must(void *arg)
{
	struct green_spin *lock = arg;

	green_spin_lock(&lock[0], RANK_OBJECT);
	green_spin_lock(&lock[1], RANK_OBJECT);
	green_spin_lock(&lock[2], RANK_QUEUE);
	green_spin_unlock(&lock[0], RANK_OBJECT);
	green_spin_unlock(&lock[2], RANK_QUEUE);
	green_spin_unlock(&lock[1], RANK_OBJECT);
}

static void unlock_what_is_not_held(void *arg)
{
	green_spin_unlock(arg, RANK_OBJECT);
}

TEST_F(wait, assertions_notice)
{
	struct green_spin lock[3] = { 0 };

	EXPECT_TRUE(aborts(put_twice, self->t));
	EXPECT_TRUE(aborts(out_of_another, self->t));
	EXPECT_TRUE(aborts(ready_without_a_claim, self->t));
	EXPECT_TRUE(aborts(lower_rank, lock));
	EXPECT_TRUE(aborts(higher_address_first, lock));
	EXPECT_FALSE(aborts(as_they_must, lock));
	EXPECT_TRUE(aborts(unlock_what_is_not_held, lock));
}

TEST_HARNESS_MAIN
