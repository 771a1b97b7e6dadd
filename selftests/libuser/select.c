// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* green_select(): what is chosen, what is left, and what a thread is not woken for. */
#include <errno.h>
#include <green_sync.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest_harness.h"
#include "notes.h"
#include "waits.h"

static green_chan_t *a, *b, *c;
static int about;			/* for until_it_waits() */

static void open_all(size_t capacity)
{
	a = green_chan_new(sizeof(long), capacity);
	b = green_chan_new(sizeof(long), capacity);
	c = green_chan_new(sizeof(long), capacity);
}

/* Nobody is left in any of them. */
static void free_all(void)
{
	CHECK(green_chan_free(a) == 0);
	CHECK(green_chan_free(b) == 0);
	CHECK(green_chan_free(c) == 0);
}

/* ---- what is ready --------------------------------------------------------- */

static int the_one_that_is_ready(void *arg)
{
	long v = 0, w = 5, x = 0;
	struct green_case recv[] = { GREEN_RECV(a, &v), GREEN_RECV(b, &v), GREEN_RECV(c, &x) };
	struct green_case send[] = { GREEN_SEND(a, &w), GREEN_SEND(b, &w), GREEN_RECV(c, &x) };

	open_all(1);
	recv[0].ch = send[0].ch = a;
	recv[1].ch = send[1].ch = b;
	recv[2].ch = send[2].ch = c;
	CHECK(green_chan_send(b, &w) == 0);
	recv[1].result = 1;
	CHECK(green_select(recv, 3) == 1 && recv[1].result == 0 && v == 5);
	CHECK(green_try_select(recv, 3) == -EAGAIN && v == 5 && x == 0);
	v = 0;
	CHECK(green_chan_send(b, &v) == 0);
	CHECK(green_select(send, 3) == 0 && send[0].result == 0);
	CHECK(green_try_select(send, 3) == -EAGAIN);
	CHECK(green_chan_recv(a, &v) == 0 && v == 5);
	w = 6;
	CHECK(green_chan_send(a, &w) == 0 && green_chan_send(c, &w) == 0);
	CHECK(green_try_select(send, 3) == 2 && x == 6);
	free_all();
	return 0;
}

/* Of those that are ready each is as likely as the others, wherever it stands. */
static int by_chance(void *arg)
{
	struct green_case cases[6] = { { 0 } };
	int times[6] = { 0 };
	long v = 1;

	open_all(1);
	cases[1] = (struct green_case)GREEN_SEND(a, &v);
	cases[2] = (struct green_case)GREEN_RECV(b, &v);
	cases[4] = (struct green_case)GREEN_SEND(b, &v);
	cases[5] = (struct green_case)GREEN_SEND(c, &v);
	for (int i = 0; i < 3000; i++) {
		int chosen = green_select(cases, 6);

		times[chosen]++;
		CHECK(green_chan_recv(chosen == 1 ? a : chosen == 4 ? b : c, &v) == 0);
	}
	for (int i = 1; i < 6; i += i == 1 ? 3 : 1)
		CHECK(times[i] > 800 && times[i] < 1200);
	CHECK(times[0] + times[2] + times[3] == 0);
	free_all();
	return 0;
}

static int none(void *arg)
{
	struct green_case cases[2] = { { 0 } };
	long v = 0;

	open_all(0);
	CHECK(green_try_select(NULL, 0) == -EAGAIN);
	CHECK(green_try_select(cases, 2) == -EAGAIN);
	for (unsigned int nr = 0; nr < 3; nr++) {
		green_deadline(green_now_ns() + 1000000);
		CHECK(green_select(cases, nr) == -ETIMEDOUT);
	}
	/* It has passed. */
	cases[1] = (struct green_case)GREEN_RECV(a, &v);
	CHECK(green_select(cases, 2) == -ETIMEDOUT);
	free_all();
	return 0;
}

static int wrong_ones(void *arg)
{
	struct green_case cases[GREEN_MAX_CASES + 1] = { { 0 } };
	long v = 0;

	open_all(1);
	CHECK(green_select(cases, GREEN_MAX_CASES + 1) == -EINVAL);
	CHECK(green_try_select(cases, GREEN_MAX_CASES + 1) == -EINVAL);
	CHECK(green_try_select(cases, GREEN_MAX_CASES) == -EAGAIN);
	cases[0] = (struct green_case)GREEN_SEND(a, &v);
	cases[1] = (struct green_case)GREEN_SEND(b, NULL);
	CHECK(green_select(cases, 2) == -EINVAL);
	cases[1] = (struct green_case)GREEN_RECV(b, NULL);
	CHECK(green_chan_free(b) == 0);
	CHECK(green_select(cases, 2) == -EINVAL);
	CHECK(green_try_select(cases, 2) == -EINVAL);
	/* Nothing was done. */
	CHECK(green_chan_try_recv(a, &v) == -EAGAIN);
	CHECK(green_chan_free(a) == 0 && green_chan_free(c) == 0);
	return 0;
}

/* ---- one that waits ---------------------------------------------------------- */

struct expected {
	int chosen, result;
	long value;
};

static void selects(void *arg)
{
	const struct expected *e = arg;
	long v[3] = { 10, 11, 12 };
	struct green_case cases[] = {
		GREEN_RECV(a, &v[0]), GREEN_RECV(b, &v[1]), GREEN_SEND(c, &v[2]),
	};

	say(&about);
	CHECK(green_select(cases, 3) == e->chosen);
	CHECK(cases[e->chosen].result == e->result);
	CHECK(v[e->chosen] == e->value);
	for (int i = 0; i < 3; i++)
		CHECK(i == e->chosen || v[i] == 10 + i);
}

/* It is woken by one, and is in none of them then. */
static int woken(void *arg)
{
	static const struct expected expected[] = {
		{ 0, 0, 7 }, { 1, 0, 8 }, { 2, 0, 12 },
		{ 0, -EPIPE, 10 }, { 1, -EPIPE, 11 }, { 2, -EPIPE, 12 },
	};

	for (int i = 0; i < 6; i++) {
		green_t *t;
		long v = 7 + i;

		open_all(0);
		t = green_go(selects, (void *)&expected[i]);
		until_it_waits(t, &about);
		if (i == 2)
			CHECK(green_chan_recv(c, &v) == 0 && v == 12);
		else if (i < 2)
			CHECK(green_chan_send(i ? b : a, &v) == 0);
		else
			CHECK(green_chan_close(i == 3 ? a : i == 4 ? b : c) == 0);
		/* Also if it has not run yet. */
		CHECK(green_chan_try_send(a, &v) == (i == 3 ? -EPIPE : -EAGAIN));
		CHECK(green_chan_try_send(b, &v) == (i == 4 ? -EPIPE : -EAGAIN));
		CHECK(green_chan_try_recv(c, &v) == (i == 5 ? -EPIPE : -EAGAIN));
		free_all();
		CHECK(green_join(t) == 0);
	}
	return 0;
}

/* What comes first counts: it is not woken twice, nor is a second value taken. */
static int once(void *arg)
{
	static const struct expected by_b = { 1, 0, 8 };
	green_t *t;
	long v = 8;

	for (int close_first = 0; close_first < 2; close_first++) {
		open_all(0);
		t = green_go(selects, (void *)&by_b);
		until_it_waits(t, &about);
		CHECK(green_chan_send(b, &v) == 0);
		CHECK(green_chan_close(close_first ? a : c) == 0);
		CHECK(green_chan_close(b) == 0);
		CHECK(green_chan_close(close_first ? c : a) == 0);
		CHECK(green_join(t) == 0);
		free_all();
	}
	return 0;
}

/* Full rings: what a waiting select would send goes in when there is room. */
static void sends_to_either(void *arg)
{
	long v = 1, w = 2;
	struct green_case cases[] = { GREEN_SEND(a, &v), GREEN_SEND(b, &w) };

	say(&about);
	CHECK(green_select(cases, 2) == (long)arg);
}

static int when_there_is_room(void *arg)
{
	long v = 0;

	for (long i = 0; i < 2; i++) {
		green_t *t;

		open_all(1);
		CHECK(green_chan_send(a, &v) == 0 && green_chan_send(b, &v) == 0);
		t = green_go(sends_to_either, (void *)i);
		until_it_waits(t, &about);
		CHECK(green_chan_recv(i ? b : a, &v) == 0 && v == 0);
		CHECK(green_chan_recv(i ? b : a, &v) == 0 && v == i + 1);
		v = 0;
		CHECK(green_chan_try_recv(i ? b : a, NULL) == -EAGAIN);
		CHECK(green_join(t) == 0);
		free_all();
	}
	return 0;
}

static void gives_up(void *arg)
{
	long v = 3;
	struct green_case cases[] = {
		GREEN_RECV(a, &v), GREEN_SEND(b, &v), GREEN_RECV(a, &v), GREEN_RECV(c, &v),
	};

	green_deadline(green_now_ns() + 1000000);
	say(&about);
	CHECK(green_select(cases, 4) == -ETIMEDOUT);
	CHECK(v == 3);
}

static int deadline(void *arg)
{
	green_t *t;

	open_all(0);
	t = green_go(gives_up, NULL);
	CHECK(green_join(t) == 0);
	about = 0;
	CHECK(green_chan_try_recv(b, NULL) == -EAGAIN);
	free_all();
	return 0;
}

static void is_cancelled(void *arg)
{
	long v = 3;
	struct green_case cases[] = { GREEN_RECV(a, &v), GREEN_SEND(b, &v) };

	GREEN_SCOPE;
	green_defer(note, 'd');
	say(&about);
	green_select(cases, 2);
	note('!');
}

static int cancelled(void *arg)
{
	green_t *t;
	long v = 1;

	clear_notes();
	open_all(0);
	t = green_go(is_cancelled, NULL);
	until_it_waits(t, &about);
	CHECK(green_cancel(t) == 0);
	CHECK(green_chan_try_send(a, &v) == -EAGAIN);
	CHECK(green_chan_try_recv(b, &v) == -EAGAIN);
	CHECK(green_join(t) == -ECANCELED);
	CHECK(!strcmp(notes, "d"));
	free_all();
	return 0;
}

/* ---- one channel, more than once ------------------------------------------------ */

static void selects_twice(void *arg)
{
	long v = 0, w = 0;
	struct green_case cases[] = { GREEN_RECV(a, &v), GREEN_RECV(a, &w), GREEN_RECV(b, &v) };
	int chosen;

	say(&about);
	chosen = green_select(cases, 3);
	CHECK((chosen == 0 && v == 5 && w == 0) || (chosen == 1 && v == 0 && w == 5));
}

static int the_same_twice(void *arg)
{
	long v = 5, w = 6;
	green_t *t;

	open_all(0);
	t = green_go(selects_twice, NULL);
	until_it_waits(t, &about);
	CHECK(green_chan_send(a, &v) == 0);
	CHECK(green_chan_try_send(a, &w) == -EAGAIN);
	CHECK(green_join(t) == 0);
	free_all();
	/* With a value that is there already. */
	open_all(1);
	CHECK(green_chan_send(a, &v) == 0);
	t = green_go(selects_twice, NULL);
	CHECK(green_join(t) == 0);
	about = 0;
	free_all();
	return 0;
}

static void sends_and_receives(void *arg)
{
	long v = (long)arg, w = -1;
	struct green_case cases[] = { GREEN_SEND(a, &v), GREEN_RECV(a, &w) };
	int chosen = green_select(cases, 2);

	CHECK(chosen == 0 ? w == -1 : chosen == 1 && w >= 0 && w != v);
}

static int with_itself(void *arg)
{
	long v = 1, w = 0;
	struct green_case cases[] = { GREEN_SEND(a, &v), GREEN_RECV(a, &w) };
	green_t *t[20];

	open_all(0);
	cases[0].ch = cases[1].ch = a;
	CHECK(green_try_select(cases, 2) == -EAGAIN);
	green_deadline(green_now_ns() + 1000000);
	CHECK(green_select(cases, 2) == -ETIMEDOUT && w == 0);
	green_deadline(0);
	/* Of two that do so each has the other's. */
	for (long i = 0; i < 20; i++)
		t[i] = green_go(sends_and_receives, (void *)i);
	for (int i = 0; i < 20; i++)
		CHECK(green_join(t[i]) == 0);
	free_all();
	return 0;
}

/* ---- many -------------------------------------------------------------------------- */

#define THREADS 12
#define ROUNDS 2000

static green_chan_t *ring[THREADS];
static long sum_sent, sum_received;

/*
 * Each has its channels in another order, and sends as it receives: if locks were taken in
 * the order of cases, this would stop.
 */
static void passes_on(void *arg)
{
	long nr = (long)arg, sent = 0, received = 0;

	for (int i = 0; i < ROUNDS; i++) {
		long out = nr * ROUNDS + i, in = 0;
		struct green_case cases[4];

		for (int k = 0; k < 4; k++) {
			green_chan_t *ch = ring[(nr + (nr & 1 ? k : 3 - k)) % THREADS];

			cases[k] = k & 1 ? (struct green_case)GREEN_RECV(ch, &in) :
					   (struct green_case)GREEN_SEND(ch, &out);
		}
		switch (green_select(cases, 4)) {
		case 0:
		case 2:
			sent += out;
			break;
		case 1:
		case 3:
			received += in;
			break;
		default:
			wrong(__LINE__, "one is chosen");
		}
	}
	__atomic_add_fetch(&sum_sent, sent, __ATOMIC_RELAXED);
	__atomic_add_fetch(&sum_received, received, __ATOMIC_RELAXED);
}

/* Rings are large enough for all to come to their end. */
static int many(void *arg)
{
	green_t *t[THREADS];
	long v;

	sum_sent = sum_received = 0;
	for (int i = 0; i < THREADS; i++)
		ring[i] = green_chan_new(sizeof(long), i % 3 ? (size_t)THREADS * ROUNDS : 0);
	for (long i = 0; i < THREADS; i++)
		t[i] = green_go(passes_on, (void *)i);
	for (int i = 0; i < THREADS; i++)
		CHECK(green_join(t[i]) == 0);
	for (int i = 0; i < THREADS; i++) {
		while (green_chan_try_recv(ring[i], &v) == 0)
			sum_received += v;
		CHECK(green_chan_free(ring[i]) == 0);
	}
	CHECK(sum_sent == sum_received);
	return 0;
}

/* A value that is an address of a local: who has it may write there, so that stays. */
static void sends_an_address(void *arg)
{
	long v = 1, *p = &v;
	struct green_case cases[] = { GREEN_SEND(a, &p), GREEN_RECV(b, NULL) };

	say(&about);
	CHECK((arg ? green_chan_send(a, &p) : green_select(cases, 2)) == 0);
	green_chan_recv(c, NULL);
	CHECK(v == 5);
}

static int addresses(void *arg)
{
	for (int alone = 0; alone < 2; alone++) {
		struct green_nomove why = { .reason = GREEN_NOMOVE_RUNNING };
		long *p = NULL, v = 0;
		green_t *t;

		open_all(0);
		t = green_go(sends_an_address, alone ? "alone" : NULL);
		while (!said(&about))
			green_yield();
		about = 0;
		while (why.reason == GREEN_NOMOVE_RUNNING) {
			CHECK(green_stack_move(t, 0, &why) == -EBUSY);
			green_yield();
		}
		CHECK(why.reason == GREEN_NOMOVE_ESCAPED || why.reason == GREEN_NOMOVE_DISABLED);
		CHECK(green_chan_recv(a, &p) == 0);
		*p = 5;
		CHECK(green_chan_send(c, &v) == 0);
		CHECK(green_join(t) == 0);
		free_all();
	}
	return 0;
}

static green_chan_t *all[GREEN_MAX_CASES];

static void waits_in_all(void *arg)
{
	struct green_case cases[GREEN_MAX_CASES];
	long v = 0;

	for (int i = 0; i < GREEN_MAX_CASES; i++)
		cases[i] = (struct green_case)GREEN_RECV(all[i], &v);
	green_deadline(green_now_ns() + HOUR);
	say(&about);
	CHECK(green_select(cases, GREEN_MAX_CASES) == (long)arg);
	CHECK(v == 70);
}

static int in_as_many_as_may_be(void *arg)
{
	long v = 70;

	for (long i = 0; i < GREEN_MAX_CASES; i += GREEN_MAX_CASES - 1) {
		green_t *t;

		for (int k = 0; k < GREEN_MAX_CASES; k++)
			all[k] = green_chan_new(sizeof(long), 0);
		t = green_go(waits_in_all, (void *)i);
		until_it_waits(t, &about);
		CHECK(green_chan_send(all[i], &v) == 0);
		CHECK(green_join(t) == 0);
		for (int k = 0; k < GREEN_MAX_CASES; k++)
			CHECK(green_chan_free(all[k]) == 0);
	}
	return 0;
}

/* Threads that are left when all ends. */
static int left(void *arg)
{
	static const struct expected any = { 0 };

	open_all(0);
	green_go(selects, (void *)&any);
	while (!said(&about))
		green_yield();
	about = 0;
	return 0;
}

WITH_WORKERS(select)
TEST_WAITS(select, the_one_that_is_ready, the_one_that_is_ready)
TEST_WAITS(select, each_that_is_ready_is_as_likely, by_chance)
TEST_WAITS(select, nothing_to_wait_for, none)
TEST_WAITS(select, wrong_cases, wrong_ones)
TEST_WAITS(select, one_wakes_it_and_it_is_in_no_other, woken)
TEST_WAITS(select, it_is_woken_once, once)
TEST_WAITS(select, it_sends_when_there_is_room, when_there_is_room)
TEST_WAITS(select, deadlines, deadline)
TEST_WAITS(select, who_is_cancelled_is_in_none, cancelled)
TEST_WAITS(select, a_channel_twice, the_same_twice)
TEST_WAITS(select, sends_and_receives_of_one_channel, with_itself)
TEST_WAITS(select, many_that_pass_on_in_all_orders, many)
TEST_WAITS(select, in_as_many_as_may_be, in_as_many_as_may_be)
TEST_WAITS(select, addresses_that_are_sent_hold, addresses)
TEST_WAITS(select, threads_that_are_left, left)

TEST_HARNESS_MAIN
