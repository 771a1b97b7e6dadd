/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* For tests of what threads wait for each other by, with any number of workers. */
#ifndef WAITS_H
#define WAITS_H

#include <green.h>
#include <stdio.h>

#define HOUR 3600000000000ull

static int nr_wrong;

static inline void wrong(int line, const char *what)
{
	__atomic_add_fetch(&nr_wrong, 1, __ATOMIC_RELAXED);
	fprintf(stderr, "# line %d: not so: %s\n", line, what);
}

/* In green threads, where the harness's macros are not to be used. */
#define CHECK(condition)						\
	do {								\
		if (!(condition))					\
			wrong(__LINE__, #condition);			\
	} while (0)

/* What a thread says before it waits, for until_it_waits(). */
static inline void say(int *about)
{
	__atomic_store_n(about, 1, __ATOMIC_RELEASE);
}

static inline int said(int *about)
{
	return __atomic_load_n(about, __ATOMIC_ACQUIRE);
}

/*
 * Returns when a thread that says so just before it waits, does. Its stack is moved then:
 * what it waits with is to be adjusted, and nothing holds its frames.
 */
static inline void until_it_waits(green_t *t, int *about)
{
	struct green_nomove why;
	int err;

	while (!said(about))
		green_yield();
	while ((err = green_stack_move(t, 0, &why)) == -EBUSY &&
	       why.reason == GREEN_NOMOVE_RUNNING)
		green_yield();
	if (err && why.reason != GREEN_NOMOVE_DISABLED) {
		fprintf(stderr, "# not moved: %d %s %s\n", err, green_nomove_name(why.reason),
		       why.function);
		wrong(__LINE__, "what waits can be moved");
	}
	*about = 0;
}

/* 0, if all was as it should be. */
static inline int run_with(unsigned int workers, int (*fn)(void *), void *arg)
{
	struct green_options opt = { .workers = workers };
	int ret;

	nr_wrong = 0;
	ret = green_run(&opt, fn, arg);
	return ret ?: nr_wrong;
}

/* Each test with so many workers. */
#define WITH_WORKERS(name)						\
	FIXTURE(name) { int unused; };					\
	FIXTURE_VARIANT(name) { unsigned int workers; };		\
	FIXTURE_VARIANT_ADD(name, one_worker) { .workers = 1 };		\
	FIXTURE_VARIANT_ADD(name, two_workers) { .workers = 2 };	\
	FIXTURE_VARIANT_ADD(name, four_workers) { .workers = 4 };	\
	FIXTURE_SETUP(name) { }						\
	FIXTURE_TEARDOWN(name) { }

#define TEST_WAITS(name, test, fn)					\
	TEST_F(name, test)						\
	{								\
		EXPECT_EQ(0, run_with(variant->workers, fn, NULL));	\
	}

#endif
