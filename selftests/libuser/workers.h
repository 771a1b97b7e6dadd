/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Tests that are run with 1, 2 and 4 workers, and what they are made of. */
#ifndef WORKERS_H
#define WORKERS_H

#include <green_sync.h>
#include <stdio.h>

#include "kselftest_harness.h"

#define WITH_WORKERS(subject)						\
	FIXTURE(subject)						\
	{								\
		struct green_options opt;				\
	};								\
	FIXTURE_VARIANT(subject)					\
	{								\
		unsigned int workers;					\
	};								\
	FIXTURE_VARIANT_ADD(subject, one_worker) { .workers = 1 };	\
	FIXTURE_VARIANT_ADD(subject, two_workers) { .workers = 2 };	\
	FIXTURE_VARIANT_ADD(subject, four_workers) { .workers = 4 };	\
	FIXTURE_SETUP(subject)						\
	{								\
		self->opt = (struct green_options){ .workers = variant->workers }; \
	}								\
	FIXTURE_TEARDOWN(subject)					\
	{								\
	}								\
	_Static_assert(1, "a semicolon follows")

/* Each in a run of its own. */
#define GREEN_TEST(subject, name, fn)					\
	TEST_F(subject, name)						\
	{								\
		EXPECT_EQ(0, green_run(&self->opt, fn, NULL));		\
	}								\
	_Static_assert(1, "a semicolon follows")

/* 0, or 1 and a line. */
#define WRONG(is_so)							\
	((is_so) ? 0 : (dprintf(1, "# %s:%d: not so: %s\n", __func__, __LINE__, #is_so), 1))

static inline int look(int *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static inline void set(int *word, int to)
{
	__atomic_store_n(word, to, __ATOMIC_RELEASE);
}

static inline int count(int *word)
{
	return __atomic_add_fetch(word, 1, __ATOMIC_ACQ_REL);
}

/* Until somebody has set it. */
static inline void await(int *word, int to)
{
	while (look(word) != to)
		green_yield();
}

/* Who came last to wait in it. */
static inline void *last_in(struct green_sync_ *s)
{
	return __atomic_load_n(&s->waiters[1], __ATOMIC_ACQUIRE);
}

/* A thread that waits in it, when it does. */
static inline green_t *go_wait(void (*fn)(void *), void *arg, struct green_sync_ *s)
{
	void *before = s->waiters[0] ? last_in(s) : NULL;
	green_t *t = green_go(fn, arg);

	while (!__atomic_load_n(&s->waiters[0], __ATOMIC_ACQUIRE) || last_in(s) == before)
		green_yield();
	return t;
}

#define MS 1000000ull

#endif
