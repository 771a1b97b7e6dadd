// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Channels: each call, each errno, who gets what when, and what becomes of a value. */
#include <errno.h>
#include <green_sync.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "notes.h"
#include "waits.h"

#define NOINLINE __attribute__((noinline))

static green_chan_t *ch;
static int about;			/* for until_it_waits() */

/* ---- values -------------------------------------------------------------- */

#define MANY 1000L

static void sends_many(void *arg)
{
	for (long i = 0; i < MANY; i++)
		CHECK(green_chan_send(ch, &i) == 0);
	CHECK(green_chan_close(ch) == 0);
}

static void all_in_order(size_t capacity)
{
	long v = -1, n = 0;
	green_t *t;

	ch = green_chan_new(sizeof(long), capacity);
	t = green_go(sends_many, NULL);
	while (green_chan_recv(ch, &v) == 0)
		CHECK(v == n++);
	CHECK(n == MANY);
	CHECK(green_join(t) == 0);
	CHECK(green_chan_free(ch) == 0);
}

static int in_order(void *arg)
{
	all_in_order(0);
	all_in_order(1);
	all_in_order(7);
	all_in_order(MANY);
	return 0;
}

/* The ring is gone round often; when it is full nothing is overwritten. */
static int as_many_as_it_holds(void *arg)
{
	green_chan_t *c = green_chan_new(sizeof(int), 5);
	int next = 0, expected = 0, v;

	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 5; i++, next++)
			CHECK(green_chan_try_send(c, &next) == 0);
		CHECK(green_chan_try_send(c, &next) == -EAGAIN);
		for (int i = 0; i < 3; i++) {
			CHECK(green_chan_try_recv(c, &v) == 0);
			CHECK(v == expected++);
		}
		for (int i = 0; i < 3; i++, next++)
			CHECK(green_chan_send(c, &next) == 0);
		for (int i = 0; i < 5; i++) {
			CHECK(green_chan_recv(c, &v) == 0);
			CHECK(v == expected++);
		}
		CHECK(green_chan_try_recv(c, &v) == -EAGAIN);
	}
	CHECK(green_chan_free(c) == 0);
	return 0;
}

/* Values of each size, with what lies around where they are received. */
#define AROUND 16

static unsigned char pattern(size_t i, int n)
{
	return i * 7 + i / 251 + n;
}

static void fill(unsigned char *value, size_t size, int n)
{
	for (size_t i = 0; i < size; i++)
		value[i] = pattern(i, n);
}

static bool is_filled(const unsigned char *value, size_t size, int n)
{
	for (size_t i = 0; i < size; i++)
		if (value[i] != pattern(i, n))
			return false;
	return true;
}

static bool is_untouched(const unsigned char *p)
{
	for (int i = 0; i < AROUND; i++)
		if (p[i] != 0xee)
			return false;
	return true;
}

static size_t size;

static void sends_patterns(void *arg)
{
	unsigned char *value = malloc(size + 1);

	for (int n = 0; n < 10; n++) {
		fill(value, size, n);
		CHECK(green_chan_send(ch, value) == 0);
	}
	free(value);
}

static void of_size(size_t bytes, size_t capacity)
{
	unsigned char *buf = malloc(bytes + 2 * AROUND);
	green_t *t;

	size = bytes;
	ch = green_chan_new(bytes, capacity);
	t = green_go(sends_patterns, NULL);
	for (int n = 0; n < 10; n++) {
		memset(buf, 0xee, bytes + 2 * AROUND);
		CHECK(green_chan_recv(ch, buf + AROUND) == 0);
		CHECK(is_filled(buf + AROUND, bytes, n));
		CHECK(is_untouched(buf) && is_untouched(buf + AROUND + bytes));
	}
	CHECK(green_join(t) == 0);
	CHECK(green_chan_free(ch) == 0);
	free(buf);
}

static int sizes(void *arg)
{
	static const size_t sizes[] = { 0, 1, 3, 4, 7, 8, 9, 16, 24, 255, 4096, 300001 };

	for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t capacity = 0; capacity < 4; capacity++)
			of_size(sizes[i], capacity);
	return 0;
}

static int without_bytes(void *arg)
{
	green_chan_t *c = green_chan_new(0, 3);

	for (int i = 0; i < 3; i++)
		CHECK(green_chan_send(c, NULL) == 0);
	CHECK(green_chan_try_send(c, NULL) == -EAGAIN);
	for (int i = 0; i < 3; i++)
		CHECK(green_chan_recv(c, NULL) == 0);
	CHECK(green_chan_try_recv(c, NULL) == -EAGAIN);
	CHECK(green_chan_free(c) == 0);
	return 0;
}

static void sends_one(void *arg)
{
	long v = (long)arg;

	say(&about);
	CHECK(green_chan_send(ch, &v) == 0);
}

/* Received into nothing, from the ring and from a sender. */
static int dropped(void *arg)
{
	long v = 1;
	green_t *t;

	ch = green_chan_new(sizeof(v), 1);
	CHECK(green_chan_send(ch, &v) == 0);
	t = green_go(sends_one, (void *)2);
	until_it_waits(t, &about);
	CHECK(green_chan_recv(ch, NULL) == 0);
	CHECK(green_chan_recv(ch, &v) == 0 && v == 2);
	green_join(t);
	CHECK(green_chan_free(ch) == 0);
	ch = green_chan_new(sizeof(v), 0);
	t = green_go(sends_one, (void *)3);
	until_it_waits(t, &about);
	CHECK(green_chan_recv(ch, NULL) == 0);
	CHECK(green_join(t) == 0);
	CHECK(green_chan_free(ch) == 0);
	return 0;
}

/* ---- who waits gets it, in order ------------------------------------------- */

static void receives_and_notes(void *arg)
{
	long v = 0;

	say(&about);
	CHECK(green_chan_recv(ch, &v) == 0);
	CHECK(v == (long)arg);
}

static int first_come(void *arg)
{
	green_t *t[5];
	long v;

	ch = green_chan_new(sizeof(v), (size_t)arg);
	for (long i = 0; i < 5; i++) {
		t[i] = green_go(receives_and_notes, (void *)i);
		until_it_waits(t[i], &about);
	}
	for (v = 0; v < 5; v++)
		CHECK(green_chan_send(ch, &v) == 0);
	for (int i = 0; i < 5; i++)
		CHECK(green_join(t[i]) == 0);
	CHECK(green_chan_free(ch) == 0);
	return 0;
}

static int first_to_send(void *arg)
{
	long capacity = (long)arg, v;
	green_t *t[5];

	ch = green_chan_new(sizeof(v), capacity);
	for (v = 0; v < capacity; v++)
		CHECK(green_chan_send(ch, &v) == 0);
	for (long i = 0; i < 5; i++) {
		t[i] = green_go(sends_one, (void *)(capacity + i));
		until_it_waits(t[i], &about);
	}
	for (long i = 0; i < capacity + 5; i++) {
		CHECK(green_chan_recv(ch, &v) == 0 && v == i);
		/* Who waits first has the room, whether it has run since or not. */
		CHECK(i >= 5 || !capacity || green_chan_try_send(ch, &v) == -EAGAIN);
	}
	for (int i = 0; i < 5; i++)
		CHECK(green_join(t[i]) == 0);
	CHECK(green_chan_free(ch) == 0);
	return 0;
}

static int in_turn(void *arg)
{
	return first_come((void *)0) ?: first_come((void *)3) ?:
	       first_to_send((void *)0) ?: first_to_send((void *)3);
}

/* ---- closed ------------------------------------------------------------------ */

static void is_not_sent(void *arg)
{
	long v = 77;

	say(&about);
	CHECK(green_chan_send(ch, &v) == -EPIPE);
	CHECK(v == 77);
}

static void is_not_received(void *arg)
{
	long v = 88;

	say(&about);
	CHECK(green_chan_recv(ch, &v) == -EPIPE);
	CHECK(v == 88);
}

/* Five that wait to send, with two values in the ring, which stay; then five receivers. */
static int close_with_waiters(void *arg)
{
	green_t *t[5];
	long v;

	ch = green_chan_new(sizeof(v), 2);
	for (v = 0; v < 2; v++)
		CHECK(green_chan_send(ch, &v) == 0);
	for (int i = 0; i < 5; i++) {
		t[i] = green_go(is_not_sent, NULL);
		until_it_waits(t[i], &about);
	}
	CHECK(green_chan_close(ch) == 0);
	for (int i = 0; i < 5; i++)
		CHECK(green_join(t[i]) == 0);
	for (long i = 0; i < 2; i++)
		CHECK(green_chan_recv(ch, &v) == 0 && v == i);
	CHECK(green_chan_recv(ch, &v) == -EPIPE);
	CHECK(green_chan_free(ch) == 0);
	for (size_t capacity = 0; capacity < 2; capacity++) {
		ch = green_chan_new(sizeof(v), capacity);
		for (int i = 0; i < 5; i++) {
			t[i] = green_go(is_not_received, NULL);
			until_it_waits(t[i], &about);
		}
		CHECK(green_chan_close(ch) == 0);
		for (int i = 0; i < 5; i++)
			CHECK(green_join(t[i]) == 0);
		CHECK(green_chan_free(ch) == 0);
	}
	return 0;
}

static int closed(void *arg)
{
	green_chan_t *c = green_chan_new(sizeof(long), 1);
	long v = 5;

	CHECK(green_chan_send(c, &v) == 0);
	CHECK(green_chan_close(c) == 0);
	CHECK(green_chan_close(c) == -EPIPE);
	/* Full or not, nothing more comes in. */
	CHECK(green_chan_send(c, &v) == -EPIPE);
	CHECK(green_chan_try_send(c, &v) == -EPIPE);
	v = 6;
	CHECK(green_chan_try_recv(c, &v) == 0 && v == 5);
	CHECK(green_chan_send(c, &v) == -EPIPE);
	CHECK(green_chan_recv(c, &v) == -EPIPE);
	CHECK(green_chan_try_recv(c, &v) == -EPIPE && v == 5);
	CHECK(green_chan_free(c) == 0);
	return 0;
}

/* ---- freed ------------------------------------------------------------------- */

/* How many calls do not say that there is no such channel. */
static int known(green_chan_t *c)
{
	long v = 0;
	struct green_case send[] = { GREEN_SEND(c, &v) }, recv[] = { GREEN_RECV(c, &v) };

	return (green_chan_send(c, &v) != -EINVAL) + (green_chan_recv(c, &v) != -EINVAL) +
	       (green_chan_try_send(c, &v) != -EINVAL) +
	       (green_chan_try_recv(c, &v) != -EINVAL) +
	       (green_chan_close(c) != -EINVAL) + (green_chan_free(c) != -EINVAL) +
	       (c && green_select(send, 1) != -EINVAL) +
	       (c && green_select(recv, 1) != -EINVAL) +
	       (c && green_try_select(recv, 1) != -EINVAL);
}

static green_chan_t *of_another_run;

static int gone(void *arg)
{
	green_chan_t *c = green_chan_new(8, 1), *d[10];
	long v = 0;

	CHECK(known(NULL) == 0);
	CHECK(green_chan_free(c) == 0);
	CHECK(known(c) == 0);
	/* Its place is another's now, and again and again. */
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 10; i++) {
			d[i] = green_chan_new(8, 1);
			CHECK(d[i] && d[i] != c);
		}
		CHECK(known(c) == 0);
		for (int i = 0; i < 10; i++)
			CHECK(green_chan_send(d[i], &v) == 0 && green_chan_free(d[i]) == 0);
	}
	of_another_run = green_chan_new(8, 1);
	return 0;
}

static int gone_with_its_run(void *arg)
{
	green_chan_t *c = green_chan_new(8, 1);

	CHECK(c != of_another_run);
	CHECK(known(of_another_run) == 0);
	return 0;
}

static int busy(void *arg)
{
	green_t *t;
	long v = 0;

	ch = green_chan_new(sizeof(v), 0);
	t = green_go(sends_one, (void *)4);
	until_it_waits(t, &about);
	CHECK(green_chan_free(ch) == -EBUSY);
	CHECK(green_chan_recv(ch, &v) == 0 && v == 4);
	CHECK(green_join(t) == 0);
	t = green_go(receives_and_notes, (void *)5);
	until_it_waits(t, &about);
	CHECK(green_chan_free(ch) == -EBUSY);
	v = 5;
	CHECK(green_chan_send(ch, &v) == 0);
	CHECK(green_join(t) == 0);
	CHECK(green_chan_free(ch) == 0);
	return 0;
}

static int limits(void *arg)
{
	green_chan_t *c;
	long v = 0;

	CHECK(!green_chan_new(SIZE_MAX, 1));
	CHECK(!green_chan_new(SIZE_MAX, 0));
	CHECK(!green_chan_new(1, SIZE_MAX));
	CHECK(!green_chan_new(SIZE_MAX / 2 + 2, 2));
	CHECK(!green_chan_new(1UL << 32, 1UL << 32));
	/* No bytes are no matter of memory. */
	c = green_chan_new(0, SIZE_MAX);
	CHECK(c && green_chan_send(c, NULL) == 0 && green_chan_recv(c, NULL) == 0);
	CHECK(green_chan_free(c) == 0);
	c = green_chan_new(8, 1);
	CHECK(green_chan_send(c, NULL) == -EINVAL);
	CHECK(green_chan_try_send(c, NULL) == -EINVAL);
	CHECK(green_chan_try_recv(c, &v) == -EAGAIN);
	CHECK(green_chan_free(c) == 0);
	return 0;
}

/* ---- deadlines ----------------------------------------------------------------- */

static int deadline(void *arg)
{
	green_chan_t *c = green_chan_new(sizeof(long), 0), *d = green_chan_new(sizeof(long), 1);
	long v = 1;

	for (int i = 0; i < 3; i++) {
		green_deadline(green_now_ns() + 1000000);
		CHECK(green_chan_recv(c, &v) == -ETIMEDOUT);
		green_deadline(green_now_ns() + 1000000);
		CHECK(green_chan_send(c, &v) == -ETIMEDOUT);
		/* It has passed: what need not wait is done, and what must ends at once. */
		CHECK(green_chan_send(c, &v) == -ETIMEDOUT);
		CHECK(green_chan_recv(c, &v) == -ETIMEDOUT);
		CHECK(green_chan_send(d, &v) == 0);
		CHECK(green_chan_send(d, &v) == -ETIMEDOUT);
		CHECK(green_chan_recv(d, &v) == 0);
		CHECK(green_chan_try_recv(d, &v) == -EAGAIN);
		green_deadline(0);
		/* Nobody is left there. */
		CHECK(green_chan_try_recv(c, &v) == -EAGAIN);
		CHECK(green_chan_try_send(c, &v) == -EAGAIN);
	}
	CHECK(v == 1);
	CHECK(green_chan_free(c) == 0);
	CHECK(green_chan_free(d) == 0);
	return 0;
}

/* Nobody is left that a channel would be kept for. */
static int nobody_is_left(void *arg)
{
	green_chan_t *c;
	long v = 1;

	for (int i = 0; i < 4; i++) {
		c = green_chan_new(sizeof(v), i / 2);
		if (i == 3)
			CHECK(green_chan_send(c, &v) == 0);
		green_deadline(green_now_ns() + 1000000);
		CHECK((i % 2 ? green_chan_send(c, &v) : green_chan_recv(c, &v)) == -ETIMEDOUT);
		CHECK(green_chan_free(c) == 0);
	}
	return 0;
}

static void notes_it(void *arg)
{
	note('r');
}

/* A deadline that has passed lets nobody else run. */
static int at_once(void *arg)
{
	green_chan_t *c = green_chan_new(sizeof(long), 0);
	green_t *t = green_go(notes_it, NULL);
	struct green_case cases[] = { GREEN_RECV(c, NULL) };
	long v = 0;

	clear_notes();
	green_deadline(1);
	CHECK(green_chan_recv(c, &v) == -ETIMEDOUT);
	CHECK(green_chan_send(c, &v) == -ETIMEDOUT);
	CHECK(green_select(cases, 1) == -ETIMEDOUT);
	CHECK(nr_notes == 0);
	green_deadline(0);
	green_join(t);
	CHECK(green_chan_free(c) == 0);
	return 0;
}

/* One in the middle goes; the others stay in their order. */
static void gives_up(void *arg)
{
	long v = 9;

	green_deadline(green_now_ns() + 1000000);
	say(&about);
	CHECK((arg ? green_chan_send(ch, &v) : green_chan_recv(ch, &v)) == -ETIMEDOUT);
	CHECK(v == 9);
}

static int one_in_the_middle_goes(void *arg)
{
	green_t *a, *b, *c;
	long v;

	ch = green_chan_new(sizeof(v), 0);
	a = green_go(sends_one, (void *)1);
	until_it_waits(a, &about);
	b = green_go(gives_up, "sends");
	while (!said(&about))
		green_yield();
	about = 0;
	c = green_go(sends_one, (void *)2);
	until_it_waits(c, &about);
	CHECK(green_join(b) == 0);
	CHECK(green_chan_recv(ch, &v) == 0 && v == 1);
	CHECK(green_chan_recv(ch, &v) == 0 && v == 2);
	CHECK(green_chan_try_recv(ch, &v) == -EAGAIN);
	CHECK(green_join(a) == 0 && green_join(c) == 0);
	CHECK(green_chan_free(ch) == 0);
	return 0;
}

/* ---- cancellation ----------------------------------------------------------------- */

static void is_cancelled(void *arg)
{
	long v = 3;

	GREEN_SCOPE;
	green_defer(note, 'd');
	say(&about);
	if (arg)
		green_chan_send(ch, &v);
	else
		green_chan_recv(ch, &v);
	note('!');
}

static int cancelled(void *arg)
{
	green_t *t, *u;
	long v = 0;

	clear_notes();
	ch = green_chan_new(sizeof(v), 0);
	/* What it would have sent has nobody. */
	t = green_go(is_cancelled, "sends");
	until_it_waits(t, &about);
	CHECK(green_cancel(t) == 0);
	CHECK(green_chan_try_recv(ch, &v) == -EAGAIN);
	CHECK(green_join(t) == -ECANCELED);
	/* What it would have received is the next one's. */
	t = green_go(is_cancelled, NULL);
	until_it_waits(t, &about);
	u = green_go(receives_and_notes, (void *)6);
	until_it_waits(u, &about);
	CHECK(green_cancel(t) == 0);
	v = 6;
	CHECK(green_chan_send(ch, &v) == 0);
	CHECK(green_join(t) == -ECANCELED);
	CHECK(green_join(u) == 0);
	CHECK(green_chan_free(ch) == 0);
	CHECK(!strcmp(notes, "dd"));
	return 0;
}

/* It was cancelled before it came to wait: what need not wait is done, no more. */
static void does_what_need_not_wait(void *arg)
{
	long v = 4;

	GREEN_SCOPE;
	green_defer(note, 'd');
	while (!said(arg))
		;
	CHECK(green_chan_send(ch, &v) == 0);
	CHECK(green_chan_try_recv(ch, &v) == 0);
	CHECK(green_chan_send(ch, &v) == 0);
	note('s');
	green_chan_send(ch, &v);
	note('!');
}

/* A value was handed over, and then its receiver or sender is cancelled: it keeps it. */
static void has_it(void *arg)
{
	long v = 0;

	GREEN_SCOPE;
	green_defer(note, 'd');
	say(&about);
	if (arg)
		CHECK(green_chan_send(ch, &v) == 0);
	else
		CHECK(green_chan_recv(ch, &v) == 0 && v == 7);
	note('k');
	green_yield();
	note('!');
}

static int cancelled_behind(void *arg)
{
	green_t *t;
	long v = 7;

	clear_notes();
	ch = green_chan_new(sizeof(v), 0);
	for (int sends = 0; sends < 2; sends++) {
		t = green_go(has_it, sends ? "sends" : NULL);
		until_it_waits(t, &about);
		if (sends)
			CHECK(green_chan_recv(ch, &v) == 0);
		else
			CHECK(green_chan_send(ch, &v) == 0);
		green_cancel(t);
		green_join(t);
	}
	CHECK(green_chan_free(ch) == 0);
	/* On one worker it has not run before it was cancelled. */
	CHECK(!strcmp(notes, "kdkd") || *(const unsigned int *)arg > 1);
	return 0;
}

static int cancelled_before(void *arg)
{
	static int go;
	green_t *t;

	go = 0;
	clear_notes();
	ch = green_chan_new(sizeof(long), 1);
	t = green_go(does_what_need_not_wait, &go);
	/* With one worker it has not begun. */
	CHECK(green_cancel(t) == 0);
	say(&go);
	CHECK(green_join(t) == -ECANCELED);
	CHECK(!strcmp(notes, "sd"));
	CHECK(green_chan_free(ch) == 0);
	return 0;
}

/* ---- stacks ---------------------------------------------------------------------- */

static NOINLINE long receives_below(int depth)
{
	long v[3] = { 1, 2, 3 };

	if (depth)
		return receives_below(depth - 1) + v[depth % 3] - v[depth % 3];
	say(&about);
	CHECK(green_chan_recv(ch, &v[1]) == 0);
	CHECK(v[0] == 1 && v[2] == 3);
	return v[1];
}

static void receives_deep(void *arg)
{
	CHECK(receives_below(20) == 12);
}

static NOINLINE void sends_below(int depth)
{
	long v[3] = { 1, 12, 3 };

	if (depth) {
		sends_below(depth - 1);
		return;
	}
	say(&about);
	CHECK(green_chan_send(ch, &v[1]) == 0);
}

static void sends_deep(void *arg)
{
	sends_below(20);
}

/* A thread waits with locals, and is moved ten times. */
static int moved(void *arg)
{
	struct green_stack_info info;
	long v = 12;

	ch = green_chan_new(sizeof(v), 0);
	for (int sends = 0; sends < 2; sends++) {
		green_t *t = green_go(sends ? sends_deep : receives_deep, NULL);

		until_it_waits(t, &about);
		for (int i = 0; i < 9; i++)
			CHECK(green_stack_move(t, i % 2 ? 8192 : 65536, NULL) == 0);
		CHECK(green_stack_info(t, &info) == 0 && info.moves >= 10);
		v = sends ? 0 : 12;
		CHECK((sends ? green_chan_recv(ch, &v) : green_chan_send(ch, &v)) == 0);
		CHECK(v == 12);
		CHECK(green_join(t) == 0);
	}
	CHECK(green_chan_free(ch) == 0);
	return 0;
}

/* ---- the others ------------------------------------------------------------------ */

static void waits_for_ever(void *arg)
{
	long v = 99;

	say(&about);
	if (arg)
		green_chan_send(ch, &v);
	else
		green_chan_recv(ch, &v);
}

/* Whoever waited is not in the child. */
static int in_a_child(void *arg)
{
	long v = 1, capacity;

	for (capacity = 0; capacity < 2; capacity++) {
		green_t *t;
		int status = -1;
		pid_t pid;

		ch = green_chan_new(sizeof(v), capacity);
		t = green_go(waits_for_ever, NULL);
		until_it_waits(t, &about);
		pid = fork();
		if (!pid) {
			int bad = 0;

			bad += green_chan_try_send(ch, &v) != (capacity ? 0 : -EAGAIN);
			bad += green_chan_try_recv(ch, &v) != (capacity ? 0 : -EAGAIN);
			for (int i = 0; i < 5; i++)
				green_go(waits_for_ever, "sends");
			green_yield();
			for (int i = 0; i < 5; i++)
				bad += green_chan_recv(ch, &v) || v != 99;
			bad += green_chan_free(ch) != 0;
			_exit(bad);
		}
		CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
		CHECK(status == 0);
		v = 1;
		CHECK(green_chan_send(ch, &v) == 0);
		CHECK(green_join(t) == 0);
		CHECK(green_chan_free(ch) == 0);
	}
	return 0;
}

static int nobody_sends(void *arg)
{
	green_chan_t *c = green_chan_new(8, 3);

	return green_chan_recv(c, NULL);
}

static int in_handler[3];

static void handle(int sig)
{
	long v = 0;

	in_handler[0] = green_chan_try_send(ch, &v);
	in_handler[1] = green_chan_try_recv(ch, &v);
	in_handler[2] = green_chan_send(ch, &v);
}

/* A signal handler is no green thread: it may have come in the middle of a change. */
static int signals(void *arg)
{
	long v = 1;

	ch = green_chan_new(sizeof(v), 3);
	CHECK(green_chan_send(ch, &v) == 0);
	CHECK(signal(SIGUSR1, handle) != SIG_ERR);
	raise(SIGUSR1);
	for (int i = 0; i < 3; i++)
		CHECK(in_handler[i] == -EPERM);
	CHECK(green_chan_recv(ch, &v) == 0 && v == 1);
	CHECK(green_chan_try_recv(ch, &v) == -EAGAIN);
	CHECK(green_chan_free(ch) == 0);
	return 0;
}

WITH_WORKERS(chan)
TEST_WAITS(chan, values_come_in_order, in_order)
TEST_WAITS(chan, it_holds_as_many_as_it_can, as_many_as_it_holds)
TEST_WAITS(chan, values_of_any_size, sizes)
TEST_WAITS(chan, values_without_bytes, without_bytes)
TEST_WAITS(chan, values_received_nowhere, dropped)
TEST_WAITS(chan, who_waits_first_is_served_first, in_turn)
TEST_WAITS(chan, close_ends_all_waits, close_with_waiters)
TEST_WAITS(chan, of_a_closed_one_the_rest_is_received, closed)
TEST_WAITS(chan, limits, limits)
TEST_WAITS(chan, while_a_thread_waits_it_is_not_freed, busy)
TEST_WAITS(chan, deadlines, deadline)
TEST_WAITS(chan, nobody_is_left_by_deadlines, nobody_is_left)
TEST_WAITS(chan, one_in_the_middle_gives_up, one_in_the_middle_goes)
TEST_WAITS(chan, who_is_cancelled_sends_and_receives_nothing, cancelled)
TEST_WAITS(chan, who_is_cancelled_first_does_what_need_not_wait, cancelled_before)
TEST_WAITS(chan, values_on_stacks_that_move, moved)
TEST_WAITS(chan, in_a_child_nobody_waits, in_a_child)
TEST_WAITS(chan, nothing_is_done_in_signal_handlers, signals)

TEST_F(chan, one_that_is_gone)
{
	EXPECT_EQ(0, run_with(variant->workers, gone, NULL));
	EXPECT_EQ(0, run_with(variant->workers, gone_with_its_run, NULL));
}

TEST_F(chan, who_is_cancelled_behind_has_what_it_got)
{
	unsigned int workers = variant->workers;

	EXPECT_EQ(0, run_with(workers, cancelled_behind, &workers));
}

TEST(a_deadline_that_has_passed_ends_it_at_once)
{
	EXPECT_EQ(0, run_with(1, at_once, NULL));
}

TEST_F(chan, a_deadlock)
{
	struct green_options opt = { .workers = variant->workers, .quiet = 1 };

	EXPECT_EQ(-EDEADLK, green_run(&opt, nobody_sends, NULL));
}

TEST(outside_of_green_threads)
{
	struct green_case none[1] = { { 0 } };
	long v = 0;

	EXPECT_EQ(NULL, green_chan_new(8, 1));
	EXPECT_EQ(-EPERM, green_chan_free(NULL));
	EXPECT_EQ(-EPERM, green_chan_close(NULL));
	EXPECT_EQ(-EPERM, green_chan_send(NULL, &v));
	EXPECT_EQ(-EPERM, green_chan_recv(NULL, &v));
	EXPECT_EQ(-EPERM, green_chan_try_send(NULL, &v));
	EXPECT_EQ(-EPERM, green_chan_try_recv(NULL, &v));
	EXPECT_EQ(-EPERM, green_select(none, 1));
	EXPECT_EQ(-EPERM, green_try_select(none, 1));
}

TEST_HARNESS_MAIN
