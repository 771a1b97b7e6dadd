// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Variables of which each thread has a value of its own, and what happens to that at the
 * thread's end. Built by greencc; run with 1, 2 and 4 workers, as it is and with all moves
 * that there can be.
 */
#include <errno.h>
#include <green.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "child.h"
#include "foreign.h"
#include "kselftest_harness.h"
#include "notes.h"

#define NOINLINE __attribute__((noinline))
#define HOUR 3600000000000ull

FIXTURE(keys)
{
	struct green_options opt;
};

FIXTURE_VARIANT(keys)
{
	unsigned int workers;
	const char *debug;
};

#define VARIANT(name, nr, how)						\
	FIXTURE_VARIANT_ADD(keys, name) { .workers = nr, .debug = how }
VARIANT(one_worker, 1, "");
VARIANT(two_workers, 2, "");
VARIANT(four_workers, 4, "");
VARIANT(move_park, 1, "move=park,verify,poison");
VARIANT(move_call, 2, "move=call,verify,poison");
VARIANT(move_entry, 4, "move=entry");
VARIANT(move_entry_small, 1, "move=entry,stack=1024,verify");

FIXTURE_SETUP(keys)
{
	if (*variant->debug)
		setenv("GREEN_DEBUG", variant->debug, 1);
	self->opt.workers = variant->workers;
	clear_notes();
}

FIXTURE_TEARDOWN(keys)
{
	unsetenv("GREEN_DEBUG");
}

static void note_char(void *value)
{
	note(*(char *)value);
}

/* ---- keys -------------------------------------------------------------------------- */

TEST(a_key_lives_until_it_is_deleted)
{
	int a = green_key_create(NULL), b = green_key_create(NULL), c;

	ASSERT_GE(a, 0);
	ASSERT_GE(b, 0);
	EXPECT_NE(a, b);
	EXPECT_EQ(0, green_key_delete(a));
	EXPECT_EQ(-EINVAL, green_key_delete(a));
	EXPECT_EQ(-EINVAL, green_key_delete(-1));
	EXPECT_EQ(-EINVAL, green_key_delete(INT32_MAX));
	/* Its place is taken again, by another key. */
	c = green_key_create(NULL);
	EXPECT_EQ(a % GREEN_KEYS, c % GREEN_KEYS);
	EXPECT_NE(a, c);
	EXPECT_EQ(-EINVAL, green_key_delete(a));
	EXPECT_EQ(0, green_key_delete(c));
	EXPECT_EQ(0, green_key_delete(b));
}

TEST(there_are_so_many_keys)
{
	int key[GREEN_KEYS + 1], i;

	for (i = 0; i <= GREEN_KEYS; i++) {
		key[i] = green_key_create(NULL);
		if (key[i] < 0)
			break;
	}
	EXPECT_EQ(GREEN_KEYS, i);
	EXPECT_EQ(-EAGAIN, key[i]);
	while (i--)
		EXPECT_EQ(0, green_key_delete(key[i]));
}

TEST(an_os_thread_has_no_values)
{
	int key = green_key_create(note_char);

	EXPECT_EQ(NULL, green_key_get(key));
	EXPECT_EQ(-EPERM, green_key_set(key, "x"));
	EXPECT_EQ(NULL, green_key_get(key));
	EXPECT_EQ(0, green_key_delete(key));
}

#define MAKERS 4
#define ROUNDS 20000

static void *makes_keys(void *arg)
{
	unsigned long bad = 0;
	int i, a, b;

	(void)arg;
	for (i = 0; i < ROUNDS; i++) {
		a = green_key_create(NULL);
		b = green_key_create(NULL);
		bad += a < 0 || b < 0 || a == b;
		bad += green_key_delete(a) || green_key_delete(b);
	}
	return (void *)bad;
}

TEST(keys_are_made_by_many_at_once)
{
	pthread_t thread[MAKERS];
	void *bad;
	int i;

	for (i = 0; i < MAKERS; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, makes_keys, NULL));
	for (i = 0; i < MAKERS; i++) {
		pthread_join(thread[i], &bad);
		EXPECT_EQ(NULL, bad);
	}
}

/* ---- values ------------------------------------------------------------------------ */

static int one, other;
static char none;

static int wrong_keys(void *arg)
{
	int gone = green_key_create(NULL), *bad = arg;

	*bad += green_key_set(gone, &none) != 0 || green_key_get(gone) != &none;
	*bad += green_key_delete(gone) != 0;
	*bad += green_key_get(gone) != NULL;
	*bad += green_key_set(gone, &none) != -EINVAL || green_key_set(gone, NULL) != -EINVAL;
	*bad += green_key_set(-1, &none) != -EINVAL || green_key_get(-1) != NULL;
	*bad += green_key_set(INT32_MAX, &none) != -EINVAL || green_key_get(INT32_MAX) != NULL;
	/* What it has left in this thread is not the next key's. */
	one = green_key_create(NULL);
	*bad += one % GREEN_KEYS != gone % GREEN_KEYS || green_key_get(one) != NULL;
	*bad += green_key_set(one, NULL) != 0 || green_key_get(one) != NULL;
	return green_key_delete(one);
}

TEST_F(keys, keys_that_are_none)
{
	int bad = 0;

	EXPECT_EQ(0, green_run(&self->opt, wrong_keys, &bad));
	EXPECT_EQ(0, bad);
}

static int NOINLINE deep(int n, int (*fn)(void *), void *arg)
{
	volatile char room[200];

	room[0] = n;
	return n ? deep(n - 1, fn, arg) + room[0] - n : fn(arg);
}

static int has_its_own(void *arg)
{
	return green_key_get(one) != arg || (uintptr_t)green_key_get(other) != (uintptr_t)arg + 1;
}

static atomic_int not_own;

static void sets_its_own(void *arg)
{
	int i;

	not_own += green_key_get(one) != NULL;
	for (i = 0; i < 20; i++) {
		not_own += green_key_set(one, arg) != 0;
		not_own += green_key_set(other, (void *)((uintptr_t)arg + 1)) != 0;
		green_yield();
		not_own += deep(i, has_its_own, arg);
	}
}

#define THREADS 50

static int many_threads(void *arg)
{
	green_t *t[THREADS];
	int i;

	(void)arg;
	for (i = 0; i < THREADS; i++)
		t[i] = green_go(sets_its_own, (void *)(uintptr_t)(i * 2 + 1));
	for (i = 0; i < THREADS; i++)
		green_join(t[i]);
	return 0;
}

TEST_F(keys, each_thread_has_its_own)
{
	atomic_store(&not_own, 0);
	one = green_key_create(NULL);
	other = green_key_create(NULL);
	EXPECT_EQ(0, green_run(&self->opt, many_threads, NULL));
	EXPECT_EQ(0, atomic_load(&not_own));
	EXPECT_EQ(0, green_key_delete(one) | green_key_delete(other));
}

static int all_keys(void *arg)
{
	int key[GREEN_KEYS], i, bad = 0;

	(void)arg;
	for (i = 0; i < GREEN_KEYS; i++) {
		key[i] = green_key_create(NULL);
		bad += green_key_get(key[i]) != NULL;
		bad += green_key_set(key[i], (void *)(uintptr_t)(i + 1)) != 0;
	}
	for (i = 0; i < GREEN_KEYS; i++)
		bad += green_key_get(key[i]) != (void *)(uintptr_t)(i + 1);
	for (i = 0; i < GREEN_KEYS; i++)
		green_key_delete(key[i]);
	return bad;
}

TEST_F(keys, a_thread_has_values_of_all_keys)
{
	EXPECT_EQ(0, green_run(&self->opt, all_keys, NULL));
}

/* ---- values on the stack ------------------------------------------------------------- */

struct on_stack {
	int err, before, after;		/* of moves, and while it was set */
	enum green_nomove_reason why;
	long got;
};

static int NOINLINE sets_local(struct on_stack *s)
{
	struct green_nomove why = { 0 };
	long mine = 42;

	green_key_set(one, &mine);
	s->err = green_stack_move(green_self(), 0, &why);
	s->why = why.reason;
	green_yield();
	*(long *)green_key_get(one) += 1;
	s->got = mine;
	return green_key_set(one, NULL);
}

static int local_values(void *arg)
{
	struct on_stack *s = arg;

	s->before = green_stack_move(green_self(), 0, NULL);
	sets_local(s);
	/* The frame has been left. */
	s->after = green_stack_move(green_self(), 0, NULL);
	return 0;
}

TEST_F(keys, a_value_on_the_stack_holds_its_frame)
{
	struct on_stack s = { 0 };

	one = green_key_create(NULL);
	EXPECT_EQ(0, green_run(&self->opt, local_values, &s));
	EXPECT_EQ(0, s.before);
	EXPECT_EQ(-EBUSY, s.err);
	EXPECT_EQ(GREEN_NOMOVE_ESCAPED, s.why);
	EXPECT_EQ(43, s.got);
	EXPECT_EQ(0, s.after);
	EXPECT_EQ(0, green_key_delete(one));
}

/* ---- the end of a thread --------------------------------------------------------------- */

static void set_both(void)
{
	green_key_set(one, "1");
	green_key_set(other, "2");
}

static void returns(void *arg)
{
	(void)arg;
	GREEN_SCOPE;
	green_defer(note, 'd');
	set_both();
}

static int NOINLINE exits_here(void *arg)
{
	(void)arg;
	green_exit();
}

static void exits(void *arg)
{
	GREEN_SCOPE;
	green_defer(note, 'd');
	set_both();
	deep(20, exits_here, arg);
}

static void is_cancelled(void *arg)
{
	(void)arg;
	GREEN_SCOPE;
	green_defer(note, 'd');
	set_both();
	note('s');
	green_sleep_ns(HOUR);
	note('!');
}

static void panics(void *arg)
{
	(void)arg;
	GREEN_SCOPE;
	green_defer(note, 'd');
	set_both();
	green_panic("it is caught");
}

static void catches(void *arg)
{
	note(green_try(panics, arg) ? 'c' : '!');
}

static int runs_to_its_end(void *arg)
{
	green_t *t = green_go(*(void (**)(void *))arg, NULL);

	if (*(void (**)(void *))arg == is_cancelled) {
		while (strcmp(notes, "s"))
			green_yield();
		green_cancel(t);
	}
	return green_join(t);
}

#define EXPECT_END(fn, status, what) do {				\
	void (*run_)(void *) = fn;					\
									\
	clear_notes();							\
	EXPECT_EQ(status, green_run(&self->opt, runs_to_its_end, &run_)); \
	EXPECT_STREQ(what, notes);					\
} while (0)

TEST_F(keys, destructors_run_at_each_end_after_what_was_deferred)
{
	one = green_key_create(note_char);
	other = green_key_create(note_char);
	EXPECT_END(returns, 0, "d12");
	EXPECT_END(exits, 0, "d12");
	EXPECT_END(is_cancelled, -ECANCELED, "sd12");
	EXPECT_END(catches, 0, "dc12");
	/* Without one: nothing is called. */
	EXPECT_EQ(0, green_key_delete(other));
	other = green_key_create(NULL);
	EXPECT_END(returns, 0, "d1");
	EXPECT_END(exits, 0, "d1");
	/* Nor with a key that is gone. */
	EXPECT_EQ(0, green_key_delete(one));
	EXPECT_END(returns, 0, "d");
	EXPECT_EQ(0, green_key_delete(other));
}

static int main_thread(void *arg)
{
	green_key_set(one, "m");
	return *(int *)arg;
}

static int main_exits(void *arg)
{
	(void)arg;
	green_key_set(one, "m");
	green_exit();
}

TEST_F(keys, the_first_thread_has_them_too_and_returns_what_it_returns)
{
	int seven = 7;

	one = green_key_create(note_char);
	EXPECT_EQ(7, green_run(&self->opt, main_thread, &seven));
	EXPECT_STREQ("m", notes);
	/* Each run anew. */
	EXPECT_EQ(7, green_run(&self->opt, main_thread, &seven));
	EXPECT_STREQ("mm", notes);
	EXPECT_EQ(0, green_run(&self->opt, main_exits, NULL));
	EXPECT_STREQ("mmm", notes);
	EXPECT_EQ(0, green_key_delete(one));
}

static void sets_again(void *value)
{
	note(green_key_get(one) ? '!' : 'a');
	green_key_set(one, value);
}

static void sets_the_other(void *value)
{
	note('b');
	if (*(char *)value == '1')
		green_key_set(one, "2");
}

static void first_of_both(void *arg)
{
	(void)arg;
	green_key_set(other, "1");
}

static void first_of_one(void *arg)
{
	(void)arg;
	green_key_set(one, "1");
}

TEST_F(keys, destructors_that_set_values_have_four_passes)
{
	one = green_key_create(sets_again);
	other = green_key_create(sets_the_other);
	EXPECT_EQ(4, GREEN_KEY_PASSES);
	EXPECT_END(first_of_one, 0, "aaaa");
	/* The first pass comes to the other only. */
	EXPECT_END(first_of_both, 0, "baaa");
	EXPECT_EQ(0, green_key_delete(one) | green_key_delete(other));
}

static void NOINLINE moves(struct green_nomove *why)
{
	int here = 5, *at = &here;
	struct green_stack_info before, after;

	green_stack_info(green_self(), &before);
	note(green_stack_move(green_self(), 0, why) ? '!' : 'm');
	green_stack_info(green_self(), &after);
	note(after.lo != before.lo && *at == 5 ? 'v' : '?');
}

/* All that a thread can do. */
static void waits_and_moves(void *value)
{
	struct green_nomove why = { 0 };
	GREEN_SCOPE;

	green_defer(note, 'd');
	note(*(char *)value);
	green_yield();
	green_sleep_ns(1000);
	moves(&why);
	note(green_key_set(other, "z") || green_key_get(other) == NULL ? '!' : 's');
}

TEST_F(keys, destructors_wait_move_defer_and_set)
{
	other = green_key_create(NULL);
	one = green_key_create(waits_and_moves);
	EXPECT_END(first_of_one, 0, "1mvsd");
	EXPECT_EQ(0, green_key_delete(one) | green_key_delete(other));
}

static void waits_and_moves_then_exits(void *arg)
{
	first_of_one(arg);
	deep(5, exits_here, arg);
}

TEST_F(keys, and_so_in_an_exit)
{
	other = green_key_create(NULL);
	one = green_key_create(waits_and_moves);
	EXPECT_END(waits_and_moves_then_exits, 0, "1mvsd");
	EXPECT_EQ(0, green_key_delete(one) | green_key_delete(other));
}

static void exits_in_it(void *value)
{
	GREEN_SCOPE;

	green_defer(note, 'd');
	note(*(char *)value);
	green_exit();
}

TEST_F(keys, an_exit_in_a_destructor_goes_on_with_the_next)
{
	one = green_key_create(exits_in_it);
	other = green_key_create(note_char);
	EXPECT_END(returns, 0, "d1d2");
	EXPECT_END(exits, 0, "d1d2");
	EXPECT_EQ(0, green_key_delete(one) | green_key_delete(other));
}

static void panics_in_it(void *value)
{
	note(*(char *)value);
	note(green_try(panics, NULL) ? 'c' : '!');
}

static void only_one(void *arg)
{
	(void)arg;
	if (!green_key_get(one))
		green_key_set(one, "1");
}

TEST_F(keys, a_panic_in_a_destructor_is_caught_there)
{
	one = green_key_create(panics_in_it);
	other = green_key_create(NULL);
	/* The panic's thread sets its keys once more. */
	EXPECT_END(only_one, 0, "1dc1dc1dc1dc");
	EXPECT_EQ(0, green_key_delete(one) | green_key_delete(other));
}

static volatile bool waiting, cancelled;

static void waits_in_it(void *value)
{
	note(*(char *)value);
	waiting = true;
	while (!cancelled)
		green_yield();
	green_yield();
	green_sleep_ns(1000);
	note('e');
}

static int cancels_at_its_end(void *arg)
{
	green_t *t;
	int err;

	/* Another worker may run it at once. */
	waiting = cancelled = false;
	t = green_go(arg, NULL);
	while (!waiting)
		green_yield();
	err = green_cancel(t);
	cancelled = true;
	return green_join(t) ?: err;
}

TEST_F(keys, a_cancellation_comes_too_late_for_destructors)
{
	one = green_key_create(waits_in_it);
	other = green_key_create(NULL);
	EXPECT_EQ(0, green_run(&self->opt, cancels_at_its_end, returns));
	EXPECT_STREQ("d1e", notes);
	clear_notes();
	EXPECT_EQ(0, green_run(&self->opt, cancels_at_its_end, exits));
	EXPECT_STREQ("d1e", notes);
	EXPECT_EQ(0, green_key_delete(one) | green_key_delete(other));
}

static void sets_foreign(void *arg)
{
	green_key_set(one, malloc(100));
	green_key_set(other, arg);
}

static int foreign_destructors(void *arg)
{
	green_t *t[20];
	int i, err = 0;

	for (i = 0; i < 20; i++)
		t[i] = green_go(sets_foreign, arg);
	for (i = 0; i < 20; i++)
		err |= green_join(t[i]);
	return err;
}

TEST_F(keys, a_destructor_that_others_compiled)
{
	int count = 0;

	self->opt.workers = 1;
	one = green_key_create(free);
	other = green_key_create((void (*)(void *))foreign_count);
	EXPECT_EQ(0, green_run(&self->opt, foreign_destructors, &count));
	EXPECT_EQ(20, count);
	EXPECT_EQ(0, green_key_delete(one) | green_key_delete(other));
}

/* Nothing in here makes the stack grow. */
static void sets_room(void *arg)
{
	green_key_set(one, arg);
}

static int on_a_small_stack(void *arg)
{
	static const struct green_attr small = { .stack_size = 1024 };

	return green_join(green_go_opt(&small, sets_room, arg));
}

TEST_F(keys, and_has_room_on_a_small_stack)
{
	unsigned long room = 0;

	one = green_key_create((void (*)(void *))foreign_room);
	EXPECT_EQ(0, green_run(&self->opt, on_a_small_stack, &room));
	EXPECT_GE(room, 30000);
	EXPECT_EQ(0, green_key_delete(one));
}

static void waits_for_ever(void *arg)
{
	green_key_set(one, arg);
	waiting = true;
	green_sleep_ns(HOUR);
}

static int abandons(void *arg)
{
	green_detach(green_go(waits_for_ever, arg));
	while (!waiting)
		green_yield();
	return 0;
}

TEST_F(keys, a_thread_that_is_abandoned_calls_none)
{
	one = green_key_create(note_char);
	waiting = false;
	EXPECT_EQ(0, green_run(&self->opt, abandons, "!"));
	EXPECT_STREQ("", notes);
	EXPECT_EQ(0, green_key_delete(one));
}

static jmp_buf outside;

static void jumps_out(void *value)
{
	(void)value;
	longjmp(outside, 1);
}

static int leaves_a_destructor(void *arg)
{
	if (setjmp(outside))
		return 1;
	green_key_set(one, arg);
	return deep(5, exits_here, arg);
}

static int run_and_leave(void *arg)
{
	return green_run(arg, leaves_a_destructor, "x");
}

TEST_F(keys, no_jump_leads_out_of_a_destructor)
{
	int status;

	one = green_key_create(jumps_out);
	status = child(run_and_leave, &self->opt);
	EXPECT_TRUE(is_abort(status)) TH_LOG("%#x", status);
	EXPECT_NE(NULL, strstr(said, "green_exit()")) TH_LOG("%s", said);
	EXPECT_EQ(0, green_key_delete(one));
}

static int forks(void *arg)
{
	int status = 0;
	pid_t pid;

	green_key_set(one, arg);
	pid = fork();
	if (!pid)
		_exit(green_key_get(one) == arg && !green_key_set(one, &none) ? 3 : 4);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

TEST_F(keys, a_child_has_the_values_of_its_thread)
{
	one = green_key_create(note_char);
	EXPECT_EQ(3, green_run(&self->opt, forks, "f"));
	EXPECT_STREQ("f", notes);
	EXPECT_EQ(0, green_key_delete(one));
}

TEST_HARNESS_MAIN
