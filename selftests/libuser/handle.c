// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Handles: of threads that are gone, of threads that came after them, of nothing. */
#include <errno.h>
#include <green.h>
#include <stdbool.h>
#include <stdlib.h>

#include "kselftest_harness.h"

static void nothing(void *arg)
{
}

static void yields(void *arg)
{
	green_yield();
}

static void waits(void *arg)
{
	green_sleep_ns(3600000000000ull);
}

/* How many calls do not say that there is no such thread. */
static int known(green_t *t)
{
	struct green_stack_info info;
	struct green_nomove why;

	return (green_join(t) != -EINVAL) + (green_detach(t) != -EINVAL) +
	       (green_cancel(t) != -EINVAL) + (green_stack_info(t, &info) != -EINVAL) +
	       (green_stack_move(t, 0, &why) != -EINVAL);
}

/* Of one that was joined, and of one that ended by itself; while others live. */
static int gone(void *arg)
{
	green_t *t = green_go(nothing, NULL), *u = green_go(nothing, NULL), *alive;
	struct green_stats stats;
	int bad = green_join(t) + green_detach(u);

	do {
		green_yield();
		green_stats(&stats);
	} while (stats.live > 1);
	bad += known(t) + known(u);
	alive = green_go(waits, NULL);
	bad += known(t) + known(u);
	bad += green_cancel(alive);
	return bad + (green_join(alive) != -ECANCELED);
}

/* 1,000 threads later a handle is still nobody else's. */
static int others(void *arg)
{
	green_t *first = green_go(nothing, NULL), *t[10];
	int bad = green_join(first);

	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 10; i++)
			t[i] = green_go(yields, NULL);
		for (int i = 0; i < 10; i++)
			bad += t[i] == first;
		bad += known(first);
		for (int i = 0; i < 10; i++)
			bad += green_join(t[i]);
	}
	return bad;
}

static int nobodys(void *arg)
{
	uintptr_t self = (uintptr_t)green_self();
	int local = 0, bad = 0;
	uintptr_t words[] = {
		0, 1, 8, UINTPTR_MAX, INTPTR_MAX, INTPTR_MIN, (uintptr_t)&local,
		(uintptr_t)&bad, (uintptr_t)arg, (uintptr_t)nobodys, 0xdeadbeefdeadbeef,
	};

	for (unsigned int i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		bad += known((green_t *)words[i]);
	for (int bit = 0; bit < 64; bit++)
		bad += known((green_t *)(self ^ 1UL << bit));
	return bad + (green_cancel(NULL) != -EINVAL);
}

static green_t *kept[100];

static int keep(void *arg)
{
	for (int i = 0; i < 100; i++) {
		kept[i] = green_go(nothing, NULL);
		green_detach(kept[i]);
	}
	return 0;
}

static int look_at_kept(void *arg)
{
	green_t *t[100];
	int bad = 0;

	for (int i = 0; i < 100; i++)
		t[i] = green_go(yields, NULL);
	for (int i = 0; i < 100; i++)
		bad += known(kept[i]);
	for (int i = 0; i < 100; i++)
		bad += green_join(t[i]);
	return bad;
}

/* ---- several at once ----------------------------------------------------- */

#define RACERS 8
#define RACES 500

static green_t *prize;
static int won, lost;

/* The first cancels the thread, the second detaches it, the others join it. */
static void races(void *arg)
{
	long nr = (long)arg;
	int err;

	if (nr == 0) {
		green_cancel(prize);
		return;
	}
	err = nr == 1 ? green_detach(prize) : green_join(prize);
	if (err == 0 || err == -ECANCELED)
		__atomic_add_fetch(&won, 1, __ATOMIC_RELAXED);
	else if (err == -EINVAL)
		__atomic_add_fetch(&lost, 1, __ATOMIC_RELAXED);
}

static int race(void *arg)
{
	green_t *racer[RACERS];
	int bad = 0;

	won = lost = 0;
	for (int i = 0; i < RACES; i++) {
		prize = green_go(i % 3 ? yields : nothing, NULL);
		for (long nr = 0; nr < RACERS; nr++)
			racer[nr] = green_go(races, (void *)((nr + i) % RACERS));
		for (int nr = 0; nr < RACERS; nr++)
			bad += green_join(racer[nr]);
	}
	return bad;
}

/* ---- with so many workers ------------------------------------------------ */

FIXTURE(handle)
{
	struct green_options opt;
};

FIXTURE_VARIANT(handle)
{
	unsigned int workers;
};

FIXTURE_VARIANT_ADD(handle, one_worker)
{
	.workers = 1,
};

FIXTURE_VARIANT_ADD(handle, two_workers)
{
	.workers = 2,
};

FIXTURE_VARIANT_ADD(handle, three_workers)
{
	.workers = 3,
};

FIXTURE_SETUP(handle)
{
	self->opt = (struct green_options){ .workers = variant->workers };
}

FIXTURE_TEARDOWN(handle)
{
}

TEST_F(handle, of_a_thread_that_is_gone)
{
	EXPECT_EQ(0, green_run(&self->opt, gone, NULL));
}

TEST_F(handle, is_not_another_threads)
{
	EXPECT_EQ(0, green_run(&self->opt, others, NULL));
}

TEST_F(handle, what_is_none)
{
	void *heap = malloc(4096);

	EXPECT_EQ(0, green_run(&self->opt, nobodys, heap));
	free(heap);
}

TEST_F(handle, of_an_earlier_run)
{
	for (int i = 0; i < 5; i++) {
		ASSERT_EQ(0, green_run(&self->opt, keep, NULL));
		ASSERT_EQ(0, green_run(&self->opt, look_at_kept, NULL));
	}
}

TEST_F(handle, one_of_many_joins)
{
	EXPECT_EQ(0, green_run(&self->opt, race, NULL));
	EXPECT_EQ(RACES, won);
	EXPECT_EQ(RACES * (RACERS - 2), lost);
}

TEST_HARNESS_MAIN
