// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Every reason not to move a stack, broken on purpose one at a time: exactly
 * that reason comes back, with the right name, and nothing has moved. And the
 * rules for defers that let a stack move. Built by greencc, but for foreign.c.
 */
#include <errno.h>
#include <green.h>
#include <green_ptrmap.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "alone.h"
#include "foreign.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))

/* What the last attempt said. */
static struct {
	int err;
	struct green_nomove why;
	uintptr_t lo_before, lo_after;
	int result;
} got;

/* Try to move the calling thread's stack, or @t's. */
static void NOINLINE try_move(green_t *t)
{
	struct green_stack_info info;
	struct green_nomove why;

	memset(&why, 0, sizeof(why));
	if (!t)
		t = green_self();
	got.lo_before = green_stack_info(t, &info) ? 0 : info.lo;
	got.err = green_stack_move(t, 0, &why);
	got.why = why;
	got.lo_after = green_stack_info(t, &info) ? 0 : info.lo;
}

static int go_and_join(void *arg)
{
	return green_join(green_go((void (*)(void *))arg, NULL));
}

static void run(void (*fn)(void *))
{
	memset(&got, 0, sizeof(got));
	got.err = green_run(&alone, go_and_join, (void *)fn) ?: got.err;
}

#define EXPECT_REFUSED(code, name)					\
	do {								\
		EXPECT_EQ(-EBUSY, got.err);				\
		EXPECT_EQ(code, got.why.reason);			\
		EXPECT_STREQ(name, got.why.function);			\
		EXPECT_EQ(got.lo_before, got.lo_after);			\
	} while (0)

#define EXPECT_MOVED()							\
	do {								\
		EXPECT_EQ(0, got.err);					\
		EXPECT_NE(got.lo_before, got.lo_after);			\
	} while (0)

/* ---- frames ----------------------------------------------------------- */

static void back_in_mapped_code(void *arg)
{
	try_move(NULL);
}

static void through_foreign(void *arg)
{
	foreign_call(back_in_mapped_code, NULL);
}

TEST(a_frame_without_a_map)
{
	run(through_foreign);
	EXPECT_REFUSED(GREEN_NOMOVE_FRAME, "foreign_call");
}

static int *kept;

static void NOINLINE keeps_address(void *arg)
{
	int local = 1;

	kept = &local;
	try_move(NULL);
	got.result = *kept;
}

TEST(an_address_that_escapes)
{
	run(keeps_address);
	EXPECT_REFUSED(GREEN_NOMOVE_ESCAPED, "keeps_address");
	EXPECT_EQ(1, got.result);
}

void keep(int *p);
void NOINLINE keep(int *p)
{
	kept = p;
}

/* What mmap() and others return: above each stack, and in none. */
static void NOINLINE keeps_minus_one(void *arg)
{
	int *failed = (int *)-1;

	__asm__ volatile("" : "+r"(failed));
	keep(failed);
	try_move(NULL);
	got.result = kept == failed;
}

TEST(minus_one_is_no_address)
{
	run(keeps_minus_one);
	EXPECT_MOVED();
	EXPECT_EQ(1, got.result);
}

/* ---- a list whose head is a local --------------------------------------- */

struct node {
	struct node *next, *prev;
};

static struct node element;

static void NOINLINE empty_list(void *arg)
{
	struct node head;

	head.next = head.prev = &head;
	try_move(NULL);
	got.result = head.next == &head && head.prev == &head;
	/* Somebody may come to know it. */
	if (arg)
		element.next = &head;
}

TEST(an_empty_list_does_not_hold_its_head)
{
	run(empty_list);
	EXPECT_MOVED();
	EXPECT_EQ(1, got.result);
}

static void NOINLINE list_of_one(void *arg)
{
	struct node head;

	head.next = head.prev = &head;
	element.next = head.next;
	element.prev = &head;
	head.next->prev = &element;
	head.next = &element;
	try_move(NULL);
	got.result = element.next == &head && head.prev == &element;
}

TEST(a_list_with_an_element_holds_its_head)
{
	run(list_of_one);
	EXPECT_REFUSED(GREEN_NOMOVE_ESCAPED, "list_of_one");
	EXPECT_EQ(1, got.result);
}

/* ---- locals that die before their function returns ----------------------- */

static int refused, moved;
static volatile int turns; /* a loop that is not unrolled */

static void NOINLINE count_move(void)
{
	try_move(NULL);
	if (got.err == -EBUSY && got.why.reason == GREEN_NOMOVE_ESCAPED)
		refused++;
	else if (!got.err && got.lo_after != got.lo_before)
		moved++;
}

/* A server: a list of its own for each turn. */
static void NOINLINE list_in_a_loop(void *arg)
{
	got.result = 0;
	for (int i = 0; i < turns; i++) {
		struct node head = { &head, &head };

		count_move();
		element.next = element.prev = &head;
		head.next = head.prev = &element;
		count_move();
		got.result += head.next == &element && element.prev == &head;
		element.next->prev = element.prev;
		element.prev->next = element.next;
	}
	count_move();
}

TEST(a_list_in_a_loop_holds_its_head_for_one_turn)
{
	refused = moved = 0;
	turns = 4;
	run(list_in_a_loop);
	EXPECT_EQ(4, got.result);
	EXPECT_EQ(4, refused);
	EXPECT_EQ(5, moved);
}

static int *many[18];

static int NOINLINE recurse(int n)
{
	volatile char room[1000];

	room[0] = 1;
	return n ? recurse(n - 1) + room[0] : 0;
}

/*
 * All addresses of a local are one, and so they are behind calls that need a segment.
 * Of such a loop the first turns become copies.
 */
static void NOINLINE array_in_a_loop(void *arg)
{
	for (int i = 0; i < turns; i++) {
		int v[16];

		for (int j = 0; j <= 16; j += 2)
			many[j] = &v[j];
		v[2 * i] = i;
		count_move();
		if (i == 1)
			got.result += recurse(200);
		got.result += *many[2 * i];
	}
	count_move();
}

TEST(all_addresses_of_a_local_die_with_it)
{
	refused = moved = 0;
	turns = 3;
	run(array_in_a_loop);
	EXPECT_EQ(203, got.result);
	EXPECT_EQ(3, refused);
	EXPECT_EQ(1, moved);
}

/*
 * More than are told apart of one frame: one of four lives longer, in its turn each. The
 * small ones come to lie above the others, and the large ones below.
 */
static void NOINLINE many_that_die(int keep, bool first)
{
	int a = 0, b = 1, c[500] = { 2 }, d[500] = { 3 };
	int *const outer[] = { &a, &b, c, d };

	if (first)
		many[17] = outer[keep];
	{
		int v[64];

		for (int i = 0; i <= turns; i++)
			many[i] = &v[4 * i];
		v[28] = keep;
		if (!first)
			many[17] = outer[keep];
		count_move();
		got.result += *many[7] == keep;
	}
	count_move();
	got.result += *many[17] == keep;
}

static void many_die(void *arg)
{
	for (int i = 0; i < 8; i++) {
		many_that_die(i / 2, i % 2);
		count_move();
	}
}

TEST(one_of_many_locals_lives_longer)
{
	refused = moved = 0;
	turns = 16;
	run(many_die);
	EXPECT_EQ(16, got.result);
	EXPECT_EQ(16, refused);
	EXPECT_EQ(8, moved);
}

/* The frame that pinned the stack is gone. */
static void left_behind(void *arg)
{
	keeps_address(NULL);
	got.err = 0;
	try_move(NULL);
}

TEST(an_address_that_escaped_from_a_frame_that_is_left)
{
	run(left_behind);
	EXPECT_MOVED();
}

static void NOINLINE keeps(int *p)
{
	kept = p;
}

static void NOINLINE kept_by_callee(void *arg)
{
	int local = 1;

	keeps(&local);
	try_move(NULL);
	got.result = ++*kept + local;
}

TEST(an_address_that_a_callee_keeps)
{
	run(kept_by_callee);
	EXPECT_REFUSED(GREEN_NOMOVE_ESCAPED, "kept_by_callee");
	EXPECT_EQ(4, got.result);
}

static int **spot;

static void NOINLINE put(int **where, int *what)
{
	*where = what;
}

/* In a local of its own, which a map names, and in one of a frame that never moves. */
static void NOINLINE kept_by_caller(void)
{
	int local = 1, *mine;

	put(&mine, &local);
	++*mine;
	put(spot, &local);
	try_move(NULL);
	got.result = ++**spot + local;
}

static int NOINLINE never_moves(int n, ...)
{
	int *word = NULL;
	va_list ap;

	va_start(ap, n);
	spot = &word;
	kept_by_caller();
	n += va_arg(ap, int);
	va_end(ap);
	return n;
}

static void call_never_moves(void *arg)
{
	got.result += never_moves(1, 2);
}

TEST(an_address_in_a_frame_that_never_moves)
{
	run(call_never_moves);
	EXPECT_REFUSED(GREEN_NOMOVE_ESCAPED, "kept_by_caller");
	EXPECT_EQ(9, got.result);
}

static void NOINLINE given_to_foreign_code(void *arg)
{
	int local = 1;

	foreign_count(&local);
	try_move(NULL);
	got.result = local;
}

TEST(an_address_that_unmapped_code_may_keep)
{
	run(given_to_foreign_code);
	EXPECT_REFUSED(GREEN_NOMOVE_ESCAPED, "given_to_foreign_code");
	EXPECT_EQ(2, got.result);
}

static int *kept_by[2];
static int errors[3];

static void NOINLINE keeps_and_parks(int i)
{
	int local = i;

	kept_by[i] = &local;
	green_yield();
	try_move(NULL);
	errors[i] = got.err;
	green_yield();
	got.result += ++*kept_by[i] == i + 1 && local == i + 1;
}

/* Each thread has pins of its own, whatever ran in between. */
static void pins_in_turn(void *arg)
{
	keeps_and_parks((int)(long)arg);
	green_yield();
	try_move(NULL);
	errors[2] |= got.err;
}

static void two_threads(void *arg)
{
	green_t *other = green_go(pins_in_turn, (void *)1);

	pins_in_turn(NULL);
	green_join(other);
	try_move(NULL);
}

TEST(escapes_of_two_threads)
{
	errors[2] = 0;
	run(two_threads);
	EXPECT_MOVED();
	EXPECT_EQ(-EBUSY, errors[0]);
	EXPECT_EQ(-EBUSY, errors[1]);
	EXPECT_EQ(0, errors[2]);
	EXPECT_EQ(2, got.result);
}

/* More frames than can be told apart: all of it stays, for as long as it takes. */
static int NOINLINE pins_frames(int n)
{
	int local = n;

	kept = &local;
	if (n && pins_frames(n - 1) != n - 1)
		return -1;
	if (n == 50)
		try_move(NULL);
	return local;
}

static void pins_many(void *arg)
{
	got.result = pins_frames(100);
}

TEST(escapes_from_many_frames)
{
	run(pins_many);
	EXPECT_REFUSED(GREEN_NOMOVE_ESCAPED, "pins_frames");
	EXPECT_EQ(100, got.result);
}

static void NOINLINE pinned_many(void *arg)
{
	pins_many(NULL);
	try_move(NULL);
}

TEST(escapes_from_many_frames_that_are_left)
{
	run(pinned_many);
	EXPECT_MOVED();
	EXPECT_EQ(100, got.result);
}

static void NOINLINE looks_like_an_address(void *arg)
{
	volatile uintptr_t words[4] = { 1, 2, 3, 4 };
	uintptr_t here = foreign_sp() + 32; /* a number, also if each call moves the stack */

	words[2] = here;
	try_move(NULL);
	got.result = words[2] == here;
}

TEST(an_ambiguous_word)
{
	run(looks_like_an_address);
	EXPECT_REFUSED(GREEN_NOMOVE_AMBIGUOUS, "looks_like_an_address");
	EXPECT_EQ(1, got.result);
}

/* ---- pins, I/O, states ------------------------------------------------ */

static void pinned(void *arg)
{
	green_pin();
	green_pin();
	green_unpin();
	try_move(NULL);
	green_unpin();
	got.result = green_unpin();
}

TEST(a_pinned_stack)
{
	run(pinned);
	EXPECT_REFUSED(GREEN_NOMOVE_PINNED, "try_move");
	EXPECT_EQ(-EINVAL, got.result);
}

static int pipe_fd[2];

static void NOINLINE reads_into_its_stack(void *arg)
{
	char c = 0;

	if (green_read(pipe_fd[0], &c, 1) == 1)
		got.result = c;
}

static int move_during_read(void *arg)
{
	green_t *t;

	if (pipe(pipe_fd))
		return -errno;
	t = green_go(reads_into_its_stack, NULL);
	green_yield();
	green_sleep_ns(1000000);
	try_move(t);
	green_write(pipe_fd[1], "x", 1);
	return green_join(t);
}

TEST(io_in_flight_into_the_stack)
{
	EXPECT_EQ(0, green_run(&alone, move_during_read, NULL));
	EXPECT_REFUSED(GREEN_NOMOVE_IO, "reads_into_its_stack");
	EXPECT_EQ('x', got.result);
}

static void nothing(void *arg)
{
}

static int move_a_finished_one(void *arg)
{
	green_t *t = green_go(nothing, NULL);

	green_yield();
	try_move(t);
	return green_join(t);
}

TEST(a_thread_that_has_ended)
{
	EXPECT_EQ(0, green_run(&alone, move_a_finished_one, NULL));
	EXPECT_REFUSED(GREEN_NOMOVE_RUNNING, "");
}

TEST(moves_switched_off)
{
	setenv("GREEN_DEBUG", "nomove", 1);
	run(back_in_mapped_code);
	EXPECT_REFUSED(GREEN_NOMOVE_DISABLED, "");
	unsetenv("GREEN_DEBUG");
}

/* ---- the rules for defers --------------------------------------------- */

static void count(int *p)
{
	++*p;
}

static void add_word(uintptr_t p)
{
	got.result += p != 0;
}

static void NOINLINE foreign_defer(void *arg)
{
	GREEN_SCOPE;

	green_defer(foreign_count, &got.result);
	try_move(NULL);
}

TEST(a_foreign_defer)
{
	run(foreign_defer);
	EXPECT_REFUSED(GREEN_NOMOVE_DEFER_FOREIGN, "foreign_count");
	EXPECT_EQ(1, got.result);
}

static void NOINLINE foreign_below_known(void *arg)
{
	GREEN_SCOPE;

	green_defer(foreign_count, &got.result);
	green_defer(count, &got.result);
	green_defer(count, &got.result);
	try_move(NULL);
}

TEST(a_foreign_defer_under_known_ones)
{
	run(foreign_below_known);
	EXPECT_REFUSED(GREEN_NOMOVE_DEFER_FOREIGN, "foreign_count");
	EXPECT_EQ(3, got.result);
}

/* Arguments known, locals not: that is what lying foreign code looks like. */
static struct green_map_func no_locals = {
	.size = sizeof(no_locals) + 4, .version = GREEN_MAP_VERSION,
	.flags = GREEN_MAP_VERIFIED | GREEN_MAP_ARGS, .nr_args = 1,
};

static void NOINLINE half_mapped_defer(void *arg)
{
	GREEN_SCOPE;

	green_defer(foreign_count, &got.result);
	try_move(NULL);
}

TEST(a_defer_with_an_argument_map_only)
{
	static struct {
		struct green_map_func f;
		uint32_t args;
	} rec;
	struct green_ptrmap_set set = { &rec, &rec + 1 };

	rec.f = no_locals;
	rec.f.func = (intptr_t)foreign_count - (intptr_t)&rec.f.func;
	rec.f.name = (intptr_t)"half_mapped" - (intptr_t)&rec.f.name;
	rec.f.code_size = 8;
	rec.args = GREEN_ARG_POINTER;
	ASSERT_EQ(0, green_ptrmap_register(&set));
	run(half_mapped_defer);
	EXPECT_REFUSED(GREEN_NOMOVE_DEFER_FOREIGN, "half_mapped");
	EXPECT_EQ(0, green_ptrmap_unregister(&set));
}

static void (*generated)(void);

static void NOINLINE unknown_defer(void *arg)
{
	GREEN_SCOPE;

	green_defer(generated);
	try_move(NULL);
}

TEST(an_unknown_defer)
{
	unsigned char *code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, (void *)code);
	code[0] = 0xc3;			/* ret */
	generated = (void (*)(void))code;
	run(unknown_defer);
	EXPECT_EQ(-EBUSY, got.err);
	EXPECT_EQ(GREEN_NOMOVE_DEFER_UNKNOWN, got.why.reason);
	EXPECT_EQ((void *)code, got.why.pc);
	EXPECT_EQ(got.lo_before, got.lo_after);
}

/* A scope outside this stack: its defers belong to another segment. */
static void NOINLINE next_segment(void *arg)
{
	static struct green_scope elsewhere;

	green_defer_push(&elsewhere, NULL, (green_fn)foreign_count,
			 1 | 1 << 8, &got.result, NULL);
	try_move(NULL);
	green_scope_leave(&elsewhere);
}

TEST(a_defer_of_the_next_segment_does_not_count)
{
	run(next_segment);
	EXPECT_MOVED();
	EXPECT_EQ(1, got.result);
}

static void NOINLINE record_on_stack(void *arg)
{
	struct green_defer a, b;
	int y = 0;

	{
		GREEN_SCOPE;

		green_defer_at(&a, count, &y);
		green_defer(count, &y);
		green_defer_at(&b, count, &y);
		try_move(NULL);
	}
	got.result = y;
}

TEST(records_on_the_stack_move_along)
{
	run(record_on_stack);
	EXPECT_MOVED();
	EXPECT_EQ(3, got.result);
}

static void NOINLINE foreign_record_on_stack(void *arg)
{
	struct green_defer a;
	GREEN_SCOPE;

	green_defer_at(&a, foreign_count, &got.result);
	try_move(NULL);
}

TEST(a_foreign_record_on_the_stack)
{
	run(foreign_record_on_stack);
	EXPECT_REFUSED(GREEN_NOMOVE_DEFER_FOREIGN, "foreign_count");
	EXPECT_EQ(1, got.result);
}

struct counter {
	struct green_closure head;
	int *p;
};

static void count_closure(struct green_closure *c)
{
	++*((struct counter *)c)->p;
}

static void NOINLINE closure_on_stack(void *arg)
{
	int y = 0;
	struct counter c = { { count_closure, sizeof(c) }, &y };

	{
		GREEN_SCOPE;

		green_defer_closure(&c);
		try_move(NULL);
	}
	got.result = y;
}

TEST(a_closure_on_the_stack_moves_along)
{
	run(closure_on_stack);
	EXPECT_MOVED();
	EXPECT_EQ(1, got.result);
}

static void NOINLINE closure_on_heap(void *arg)
{
	struct counter *c = malloc(sizeof(*c));

	c->head.fn = count_closure;
	c->head.size = sizeof(*c);
	c->p = &got.result;
	{
		GREEN_SCOPE;

		green_defer_closure(c);
		try_move(NULL);
	}
	free(c);
}

TEST(a_closure_on_the_heap_that_holds_no_stack_address)
{
	run(closure_on_heap);
	EXPECT_MOVED();
	EXPECT_EQ(1, got.result);
}

static void NOINLINE bad_closure_on_heap(void *arg)
{
	struct counter *c = malloc(sizeof(*c));

	c->head.fn = count_closure;
	c->head.size = sizeof(*c);
	{
		GREEN_SCOPE;

		green_defer_closure(c);
		c->p = (int *)(foreign_sp() + 32);
		try_move(NULL);
		c->p = &got.result;
	}
	free(c);
}

TEST(a_closure_on_the_heap_that_holds_one)
{
	run(bad_closure_on_heap);
	EXPECT_REFUSED(GREEN_NOMOVE_ESCAPED, "count_closure");
	EXPECT_EQ(1, got.result);
}

/*
 * The caller has a pointer, the function takes an integer: which is it? green_defer()
 * does not compile then, but a declaration may be wrong.
 */
static void NOINLINE disagreeing_argument(void *arg)
{
	struct green_scope scope __attribute__((cleanup(green_scope_leave))) = { 0 };
	int y = 0;

	green_defer_push(&scope, NULL, (green_fn)add_word, 1 | 1 << 8, &y, NULL);
	try_move(NULL);
}

TEST(a_defer_whose_argument_is_ambiguous)
{
	run(disagreeing_argument);
	EXPECT_REFUSED(GREEN_NOMOVE_AMBIGUOUS, "add_word");
	EXPECT_EQ(1, got.result);
}

static void six(int *a, long b, int *c, int d, int *e, char f)
{
	*a += b;
	*c += d;
	*e += f;
}

static void NOINLINE six_arguments(void *arg)
{
	int x = 1, y = 2, z = 3;

	{
		GREEN_SCOPE;

		green_defer(six, &x, 10L, &y, 20, &z, (char)'a');
		try_move(NULL);
	}
	got.result = x == 11 && y == 22 && z == 3 + 'a';
}

TEST(six_arguments_of_both_kinds)
{
	run(six_arguments);
	EXPECT_MOVED();
	EXPECT_EQ(1, got.result);
}

static void NOINLINE runtime_call(void *arg)
{
	GREEN_SCOPE;

	green_defer(green_close, pipe_fd[0]);
	green_defer(green_close, pipe_fd[1]);
	try_move(NULL);
}

TEST(runtime_calls_can_be_deferred_and_move)
{
	ASSERT_EQ(0, pipe(pipe_fd));
	run(runtime_call);
	EXPECT_MOVED();
	EXPECT_EQ(-1, close(pipe_fd[0]));
	EXPECT_EQ(-1, close(pipe_fd[1]));
}

static void park_and_count(int *p)
{
	green_yield();
	try_move(NULL);
	green_yield();
	++*p;
}

static void NOINLINE parking_defer(void *arg)
{
	int y = 0;

	{
		GREEN_SCOPE;

		green_defer(park_and_count, &y);
		green_defer(park_and_count, &y);
	}
	got.result = y;
}

TEST(a_deferred_function_parks_and_moves)
{
	run(parking_defer);
	EXPECT_MOVED();
	EXPECT_EQ(2, got.result);
}

TEST_HARNESS_MAIN
