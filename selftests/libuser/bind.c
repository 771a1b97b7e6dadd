// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* A thread that is bound to its worker, among others that are not. */
#define _GNU_SOURCE
#include <errno.h>
#include <green.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "alone.h"
#include "kselftest_harness.h"

#define FREE 16
#define BOUND 8

static const struct green_options three = { .workers = 3 };
static volatile bool over;
static long changes;			/* of those that are free */

static void waits_a_little(int i)
{
	for (volatile int n = 0; n < 100; n++)
		;
	if (i % 7)
		green_yield();
	else
		green_sleep_ns(1000);
}

static void is_free(void *arg)
{
	for (int i = 0; !over; i++) {
		pid_t before = gettid();

		waits_a_little(i);
		if (gettid() != before)
			__atomic_add_fetch(&changes, 1, __ATOMIC_RELAXED);
	}
}

/* Until the others have changed their OS thread so often that it shows. */
static bool goes_on(void)
{
	return __atomic_load_n(&changes, __ATOMIC_RELAXED) < 100;
}

struct result {
	long changed, wrong;
};

static __thread long own;

static void stays(struct result *r)
{
	pid_t first = gettid();
	long *address = &own;

	for (int i = 0; goes_on(); i++) {
		own = i;
		waits_a_little(i);
		r->changed += gettid() != first;
		r->wrong += address != &own;
	}
}

static void is_bound(void *arg)
{
	stays(arg);
}

static void binds_itself(void *arg)
{
	struct result *r = arg;

	r->wrong += green_unbind() != -EINVAL;
	waits_a_little(0);
	r->wrong += green_bind() != 0;
	r->wrong += green_bind() != 0;
	r->wrong += green_unbind() != 0;
	stays(r);
	r->wrong += green_unbind() != 0;
	r->wrong += green_unbind() != -EINVAL;
}

/* Locked by one OS thread, and unlocked by the same. */
static void holds_a_mutex(void *arg)
{
	struct result *r = arg;
	pthread_mutexattr_t attr;
	pthread_mutex_t mutex;

	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&mutex, &attr);
	green_bind();
	for (int i = 0; goes_on(); i++) {
		r->wrong += pthread_mutex_lock(&mutex) != 0;
		waits_a_little(i);
		r->wrong += pthread_mutex_unlock(&mutex) != 0;
	}
	green_unbind();
	pthread_mutex_destroy(&mutex);
}

struct kind {
	void (*fn)(void *);
	struct green_attr attr;
	struct result result[BOUND];
};

static int beside_free_ones(void *arg)
{
	struct kind *kind = arg;
	green_t *free[FREE], *bound[BOUND];
	int err = 0;

	for (int i = 0; i < FREE; i++)
		free[i] = green_go(is_free, NULL);
	for (int i = 0; i < BOUND; i++)
		bound[i] = green_go_opt(&kind->attr, kind->fn, &kind->result[i]);
	for (int i = 0; i < BOUND; i++)
		err |= green_join(bound[i]);
	over = true;
	for (int i = 0; i < FREE; i++)
		err |= green_join(free[i]);
	return err;
}

static struct result run(struct kind *kind)
{
	struct result sum = { 0 };

	over = false;
	changes = 0;
	sum.wrong = green_run(&three, beside_free_ones, kind) != 0;
	for (int i = 0; i < BOUND; i++) {
		sum.changed += kind->result[i].changed;
		sum.wrong += kind->result[i].wrong;
	}
	return sum;
}

TEST(by_its_attribute)
{
	struct kind kind = { .fn = is_bound, .attr.bound = 1 };
	struct result sum = run(&kind);

	EXPECT_EQ(0, sum.changed);
	EXPECT_EQ(0, sum.wrong);
}

TEST(by_its_own_call)
{
	struct kind kind = { .fn = binds_itself };
	struct result sum = run(&kind);

	EXPECT_EQ(0, sum.changed);
	EXPECT_EQ(0, sum.wrong);
}

TEST(a_mutex_is_unlocked_by_its_owner)
{
	struct kind kind = { .fn = holds_a_mutex };
	struct result sum = run(&kind);

	EXPECT_EQ(0, sum.wrong);
}

static int bound_once(void *arg)
{
	return green_unbind() ?: green_unbind() == -EINVAL ? 0 : -1;
}

static void takes_it_back(void *arg)
{
	*(int *)arg = bound_once(NULL);
}

static int starts_bound(void *arg)
{
	struct green_attr attr = { .bound = 1 };

	return green_join(green_go_opt(&attr, takes_it_back, arg));
}

TEST(the_attribute_is_a_call_that_can_be_undone)
{
	int r = 1;

	EXPECT_EQ(0, green_run(&alone, starts_bound, &r));
	EXPECT_EQ(0, r);
	EXPECT_EQ(-EPERM, green_bind());
	EXPECT_EQ(-EPERM, green_unbind());
}

TEST_HARNESS_MAIN
