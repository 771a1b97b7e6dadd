// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What a thread has only while it needs it: without memory for that calls are refused, and
 * pins hold all; where it is needed all the time nobody asks the heap; and idle threads give
 * it back, and find it again. Nor do stacks of threads that are gone keep their pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <green.h>
#include <green_sync.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "alone.h"
#include "counted.h"
#include "workers.h"

#define NOINLINE __attribute__((noinline))

WITH_WORKERS(lean);

/* ---- without memory -------------------------------------------------------- */

/* The main function has had its calls' memory before: a thread of its own begins afresh. */
static int in_a_thread(void (*fn)(void *), int fd[2])
{
	int wrong = pipe(fd) ? -errno : green_join(green_go(fn, fd));

	close(fd[0]);
	close(fd[1]);
	return wrong;
}

static void refuse(bool on)
{
	__atomic_store_n(&counted_refuses, on, __ATOMIC_RELAXED);
}

static int wrong;

static void calls(void *arg)
{
	const int *fd = arg;
	char c = 0;
	long ret[3];

	refuse(true);
	ret[0] = green_write(fd[1], "a", 1);
	ret[1] = green_read(fd[0], &c, 1);
	ret[2] = green_close(fd[1]);
	refuse(false);
	wrong += WRONG(ret[0] == -ENOMEM) + WRONG(ret[1] == -ENOMEM) + WRONG(ret[2] == -ENOMEM);
	/* Nothing was done, and it is as if nobody had asked. */
	wrong += WRONG(fcntl(fd[1], F_GETFD) >= 0);
	wrong += WRONG(green_write(fd[1], "b", 1) == 1);
	wrong += WRONG(green_read(fd[0], &c, 1) == 1 && c == 'b');
	/* Now that it had one call it has room for any. */
	refuse(true);
	ret[0] = green_write(fd[1], "c", 1);
	ret[1] = green_close(fd[1]);
	refuse(false);
	wrong += WRONG(ret[0] == 1) + WRONG(ret[1] == 0) + WRONG(fcntl(fd[1], F_GETFD) < 0);
}

static int calls_of_a_thread(void *arg)
{
	int fd[2];

	wrong = 0;
	return in_a_thread(calls, fd) ?: wrong;
}

GREEN_TEST(lean, a_call_that_cannot_be_described_is_refused, calls_of_a_thread);

static int run;

static void runs(void)
{
	run++;
}

static void defers(void *arg)
{
	int err;

	{
		GREEN_SCOPE;
		refuse(true);
		err = green_defer(runs);
		refuse(false);
	}
	wrong += WRONG(err == -ENOMEM) + WRONG(run == 0);
	{
		GREEN_SCOPE;
		err = green_defer(runs);
	}
	wrong += WRONG(err == 0) + WRONG(run == 1);
}

static int defers_of_a_thread(void *arg)
{
	int fd[2];

	wrong = run = 0;
	return in_a_thread(defers, fd) ?: wrong;
}

GREEN_TEST(lean, nor_is_anything_deferred, defers_of_a_thread);

static void sets_a_value(void *arg)
{
	int key = green_key_create(NULL), err;

	refuse(true);
	err = green_key_set(key, &run);
	refuse(false);
	wrong += WRONG(err == -ENOMEM) + WRONG(green_key_get(key) == NULL);
	wrong += WRONG(green_key_set(key, &run) == 0) + WRONG(green_key_get(key) == &run);
	green_key_delete(key);
}

static int sets_values_in_a_thread(void *arg)
{
	int fd[2];

	wrong = 0;
	return in_a_thread(sets_a_value, fd) ?: wrong;
}

GREEN_TEST(lean, nor_is_a_value_kept, sets_values_in_a_thread);

static int *kept[2];

static NOINLINE void keep(long me, int *local)
{
	kept[me] = local;
}

/* While @local lives it is known outside of the stack. */
static NOINLINE void lives(long me)
{
	int local = 10 + (int)me;

	keep(me, &local);
	green_yield();
	green_yield();
	wrong += WRONG(kept[me] == &local) + WRONG(*kept[me] == 10 + me);
	kept[me] = NULL;
}

static void has_pins(void *arg)
{
	green_yield();
	lives((long)arg);
	green_yield();
	green_yield();
}

static enum green_nomove_reason why_not(green_t *t)
{
	struct green_nomove why = { 0 };

	return green_stack_move(t, 0, &why) ? why.reason : GREEN_NOMOVE_NONE;
}

/* The worker's reserve is the first one's. */
static int pins_of_two(void *arg)
{
	green_t *t[2];

	wrong = 0;
	for (long i = 0; i < 2; i++)
		t[i] = green_go(has_pins, (void *)i);
	green_yield();
	wrong += WRONG(why_not(t[0]) == GREEN_NOMOVE_NONE) + WRONG(why_not(t[1]) == GREEN_NOMOVE_NONE);
	refuse(true);
	green_yield();
	refuse(false);
	wrong += WRONG(kept[0] && kept[1]);
	wrong += WRONG(why_not(t[0]) == GREEN_NOMOVE_ESCAPED) + WRONG(why_not(t[1]) == GREEN_NOMOVE_ESCAPED);
	green_yield();
	green_yield();
	wrong += WRONG(!kept[0] && !kept[1]);
	/* What could not be written down holds for good. */
	wrong += WRONG(why_not(t[0]) == GREEN_NOMOVE_NONE) + WRONG(why_not(t[1]) == GREEN_NOMOVE_ESCAPED);
	return green_join(t[0]) ?: green_join(t[1]) ?: wrong;
}

TEST(pins_that_cannot_be_written_down_hold_all_of_the_stack)
{
	EXPECT_EQ(0, green_run(&alone, pins_of_two, NULL));
}

/* ---- all the time ---------------------------------------------------------- */

static struct green_sem sem;

static void waits_once(void *arg)
{
	int local = 1;

	keep(0, &local);
	green_sem_wait(&sem);
	kept[0] = NULL;
}

static void echoes(void *arg)
{
	const int *fd = arg;
	char c = 0;

	green_write(fd[1], "x", 1);
	green_read(fd[0], &c, 1);
	wrong += WRONG(c == 'x');
}

static void once(int fd[2])
{
	green_t *t = green_go(waits_once, NULL);
	GREEN_SCOPE;

	green_yield();
	green_sem_post(&sem);
	green_join(t);
	echoes(fd);
	green_join(green_go(echoes, fd));
	green_sleep_ns(1);
}

static int goes_round(void *arg)
{
	long before;
	int fd[2];

	wrong = pipe(fd) ? -errno : 0;
	for (int i = 0; i < 50; i++)
		once(fd);
	before = counted_requests();
	for (int i = 0; i < 200; i++)
		once(fd);
	wrong += WRONG(counted_requests() == before);
	close(fd[0]);
	close(fd[1]);
	return wrong;
}

TEST(what_is_needed_all_the_time_is_not_asked_for)
{
	EXPECT_EQ(0, green_run(&alone, goes_round, NULL));
}

/* ---- idle threads ---------------------------------------------------------- */

#define THREADS 400
/* Of what is given back workers keep some for the next threads: two kinds, on each. */
#define KEPT (2 * 64)

static int parked, begun;
static struct green_event go;
static int pipes[2];

static NOINLINE void uses_all(void)
{
	int local = 0;

	keep(0, &local);
	echoes(pipes);
}

static void is_idle_for_long(void *arg)
{
	green_sem_wait(&sem);
	uses_all();
	count(&parked);
	green_event_wait(&go);
	uses_all();
}

static long blocks_when_all_have(int number, int *word)
{
	while (look(word) < number)
		green_sleep_ns(1000000);
	return counted_blocks();
}

static int idles(void *arg)
{
	const struct green_options *opt = arg;
	const long most = KEPT * (long)opt->workers;
	green_t *t[THREADS];
	long few, many;

	wrong = parked = begun = pipe(pipes) ? -errno : 0;
	green_event_clear(&go);
	for (int i = 0; i < THREADS; i++)
		t[i] = green_go(is_idle_for_long, NULL);
	green_sleep_ns(1000000);
	few = counted_blocks();
	for (int i = 0; i < THREADS; i++)
		green_sem_post(&sem);
	many = blocks_when_all_have(THREADS, &parked);
	/* Two of each: a call, and a place for pins. */
	wrong += WRONG(many - few >= 2 * THREADS - most);
	/* Here the test hangs if they do not come back. */
	while (counted_blocks() > few + most + 20)
		green_sleep_ns(50000000);
	green_event_set(&go);
	for (int i = 0; i < THREADS; i++)
		green_join(t[i]);
	close(pipes[0]);
	close(pipes[1]);
	return wrong;
}

TEST_F(lean, idle_threads_give_back_what_they_do_not_use)
{
	EXPECT_EQ(0, green_run(&self->opt, idles, &self->opt));
}

/* ---- threads that are gone ------------------------------------------------- */

#define BURST 1000
#define MANY_KIB (BURST * 8)		/* a quarter of what they touch */

static long resident(void)
{
	long all, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (fscanf(f, "%ld %ld", &all, &pages) != 2)
		pages = 0;
	fclose(f);
	return pages * 4;
}

/* In a function of its own, or nothing is left of the array but what is looked at. */
static NOINLINE void touch(char *at, size_t n)
{
	for (size_t i = 0; i < n; i += 4096)
		((volatile char *)at)[i] = 1;
}

static int all_are_there;

static void touches(void *arg)
{
	char large[32 << 10];

	touch(large, sizeof(large));
	while (!look(&all_are_there))
		green_yield();
	touch(large, sizeof(large));
}

static int burst(void *arg)
{
	static green_t *t[BURST];
	long before = resident(), most = 0;

	wrong = all_are_there = 0;
	for (int i = 0; i < BURST; i++)
		t[i] = green_go(touches, NULL);
	set(&all_are_there, 1);
	for (int i = 0; i < BURST; i++) {
		green_join(t[i]);
		most = resident() > most ? resident() : most;
	}
	wrong += WRONG(most > before + MANY_KIB);
	/* Here the test hangs if they keep them. */
	while (resident() > before + MANY_KIB)
		green_sleep_ns(50000000);
	return wrong;
}

GREEN_TEST(lean, a_burst_leaves_no_pages_behind, burst);

TEST_HARNESS_MAIN
