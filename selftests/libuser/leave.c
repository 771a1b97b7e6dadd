// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Frames that are left in another way than by returning: afterwards the stack grows as
 * before, neighbours are intact, and defers and tries are those of live frames. What
 * cannot be brought in line ends with a line. Built by greencc; see leave.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <green.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "alone.h"
#include "child.h"
#include "kselftest_harness.h"
#include "leave.h"

#define NOINLINE __attribute__((noinline))
/* All of it has to be there, though not all is used. */
#define KEEP_SIZE(array) __asm__ volatile("" : : "r"(array) : "memory")

static long order;

void note(int n)
{
	order = order * 10 + n;
}

/* ---- a stack between neighbours -------------------------------------------------- */

#define NEIGHBOURS 8

static volatile bool over;
static int corrupted;
static void (*victim)(void *);

static void neighbour(void *arg)
{
	volatile long words[500];

	for (int i = 0; i < 500; i++)
		words[i] = i * 3 + 1;
	while (!over)
		green_yield();
	for (int i = 0; i < 500; i++)
		corrupted += words[i] != i * 3 + 1;
}

static int between_neighbours(void *arg)
{
	green_t *t[2 * NEIGHBOURS], *v;
	int i;

	over = false;
	corrupted = 0;
	for (i = 0; i < NEIGHBOURS; i++)
		t[i] = green_go(neighbour, NULL);
	v = green_go(victim, NULL);
	for (; i < 2 * NEIGHBOURS; i++)
		t[i] = green_go(neighbour, NULL);
	green_join(v);
	over = true;
	for (i = 0; i < 2 * NEIGHBOURS; i++)
		green_join(t[i]);
	return corrupted;
}

/* Small ones lie side by side, without a sealed page. */
static const struct green_options first_stacks[] = {
	{ .stack_size = 0 }, { .stack_size = 16 << 10 }, { .stack_size = 1024 },
};

#define RUN(fn)								\
	for (int size = 0; size < 3; size++) {				\
		victim = (fn);						\
		ASSERT_EQ(0, green_run(&first_stacks[size], between_neighbours, NULL)); \
	}

static int runs_victim(void *arg)
{
	return green_join(green_go(victim, arg));
}

static int in_a_thread(void *arg)
{
	return green_run(&alone, runs_victim, arg);
}

static int child_thread(void (*fn)(void *))
{
	victim = fn;
	return child(in_a_thread, NULL);
}

/* It aborts, and says so. */
#define EXPECT_END(fn, line) do {					\
	int status = child_thread(fn);					\
									\
	EXPECT_TRUE(is_abort(status)); \
	EXPECT_NE(NULL, strstr(said, line));				\
	if (!strstr(said, line))					\
		printf("# status %x: %s\n", status, said);		\
} while (0)

/* A static program's unwinder is not followed: its exceptions are noticed late. */
#ifdef STATIC
#define NOT_IF_STATIC SKIP(return, "exceptions of static programs are noticed late")
#else
#define NOT_IF_STATIC
#endif

/* ---- deep work, before and after a jump -------------------------------------------- */

static jmp_buf env;
static int bad;

/* Frames of 24 KB that are hardly written to: one steps over a sealed page. */
static long NOINLINE work(int n)
{
	char room[24 << 10];
	long sum;

	KEEP_SIZE(room);
	for (int i = 100; i < 400; i++)
		room[i] = (char)n;
	green_yield();
	sum = n ? work(n - 1) : 0;
	return sum + room[200];
}

/* Is the stack what the thread is on, and does it grow? */
static void NOINLINE works(void)
{
	struct green_stack_info info;
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);

	bad += green_stack_info(green_self(), &info) != 0;
	bad += here < info.lo || here >= info.hi || info.used > info.hi - here + 4096;
	bad += work(30) != 30 * 31 / 2;
}

/* Down over several segments, and then out. */
static void NOINLINE down(int n, void (*out)(void))
{
	char room[24 << 10];

	KEEP_SIZE(room);
	room[100] = n;
	if (n)
		down(n - 1, out);
	else
		out();
	KEEP_SIZE(room);
}

/* Each cannot move, so that each has a segment of its own. */
static void NOINLINE segments(int n, void (*out)(void))
{
	jmp_buf unused;
	char room[60 << 10];

	KEEP_SIZE(room);
	room[100] = n;
	if (setjmp(unused))
		return;
	if (n)
		segments(n - 1, out);
	else
		down(20, out);
	KEEP_SIZE(room);
}

static void jump(void)
{
	longjmp(env, 1);
}

static void jump_2(void)
{
	_longjmp(env, 1);
}

static sigjmp_buf sigenv;

static void jump_3(void)
{
	siglongjmp(sigenv, 1);
}

static void *builtin_env[5];

static void jump_4(void)
{
	__builtin_longjmp(builtin_env, 1);
}

static ucontext_t context;
static volatile bool jumped;

static void jump_5(void)
{
	jumped = true;
	setcontext(&context);
}

static void NOINLINE by_longjmp(void (*out)(void))
{
	if (!setjmp(env)) {
		segments(3, out);
		bad++;
	}
	works();
}

static void NOINLINE by_siglongjmp(void)
{
	if (!sigsetjmp(sigenv, 1)) {
		segments(3, jump_3);
		bad++;
	}
	works();
}

static void NOINLINE by_builtin(void)
{
	if (!__builtin_setjmp(builtin_env)) {
		segments(3, jump_4);
		bad++;
	}
	works();
}

static void NOINLINE by_context(void)
{
	jumped = false;
	getcontext(&context);
	if (!jumped) {
		segments(3, jump_5);
		bad++;
	}
	works();
}

static void out_of_segments(void *arg)
{
	for (int i = 0; i < 5; i++) {
		by_longjmp(jump);
		by_longjmp(jump_2);
		by_siglongjmp();
		by_builtin();
		by_context();
	}
}

TEST(jumps_out_of_segments)
{
	bad = 0;
	RUN(out_of_segments);
	EXPECT_EQ(0, bad);
}

static void goes_down(void *out)
{
	segments(3, (void (*)(void))out);
	bad++;
}

/* An interpreter's pcall(): both ends are foreign, what it leaves is not. */
static void out_of_foreign_calls(void *arg)
{
	for (int i = 0; i < 5; i++) {
		bad += foreign_call(goes_down, foreign_longjmp) != 1;
		works();
	}
}

TEST(foreign_jumps_over_segments)
{
	bad = 0;
	RUN(out_of_foreign_calls);
	EXPECT_EQ(0, bad);
}

/*
 * The first function of a segment returns, while newer ones were left unseen. In a
 * small arena each slot has to serve again.
 */
static void goes_far_down(void *arg)
{
	segments(8, foreign_setcontext);
	bad++;
}

static int NOINLINE returns_from_segment(void)
{
	char room[100 << 10];
	int ret;

	KEEP_SIZE(room);
	room[100] = 1;
	ret = foreign_context(goes_far_down, NULL);
	return ret + room[100];
}

static void unseen(void *arg)
{
	jmp_buf unused;

	if (setjmp(unused))
		return;
	for (int i = 0; i < 300; i++)
		bad += returns_from_segment() != 2;
	works();
}

TEST(an_older_segment_ends_after_a_jump_that_nobody_saw)
{
	static const struct green_options small = { ALONE, .arena_size = 256 << 20 };

	bad = 0;
	victim = unseen;
	EXPECT_EQ(0, green_run(&small, between_neighbours, NULL));
	EXPECT_EQ(0, bad);
}

/* ---- exceptions --------------------------------------------------------------------- */

static void throw_7(void)
{
	throws(7);
}

static void out_by_exceptions(void *arg)
{
	for (int i = 0; i < 5; i++) {
		bad += catches(goes_down, throw_7) != 7;
		works();
	}
}

TEST(exceptions_over_segments)
{
	bad = 0;
	RUN(out_by_exceptions);
	EXPECT_EQ(0, bad);
}

/* ---- green_try() ---------------------------------------------------------------------- */

static void throws_8(void *arg)
{
	throws(8);
}

static void jumps(void *arg)
{
	longjmp(env, 1);
}

static void NOINLINE leaves_try(void)
{
	if (!setjmp(env))
		green_try(jumps, NULL);
}

static void tries_and_throws(void *arg)
{
	green_try(throws_8, NULL);
}

/* Over what the try was. */
static void NOINLINE panics(int n)
{
	volatile char room[300];

	memset((char *)room, 0x41, sizeof(room));
	if (!n)
		green_panic("later %d", 1);
	panics(n - 1);
	room[0] = 1;
}

static void panics_later(void *how)
{
	if (how)
		bad += catches(tries_and_throws, NULL) != 8;
	else
		leaves_try();
	panics(5);
}

static void is_caught(void *arg)
{
	for (long how = 0; how < 2; how++) {
		const char *message = green_try(panics_later, (void *)how);

		bad += !message || strcmp(message, "later 1");
	}
}

TEST(a_try_that_was_left_catches_nothing)
{
	NOT_IF_STATIC;
	bad = 0;
	RUN(is_caught);
	EXPECT_EQ(0, bad);
}

static void panics_after_a_jump(void *arg)
{
	panics_later(NULL);
}

static void panics_after_an_exception(void *arg)
{
	panics_later((void *)1);
}

TEST(no_try_is_left)
{
	NOT_IF_STATIC;
	EXPECT_END(panics_after_a_jump, "green: thread 2 (unnamed): panic: later 1\n");
	EXPECT_END(panics_after_an_exception, "green: thread 2 (unnamed): panic: later 1\n");
}

/* A panic whose deferred function jumps is over: the next one is the only one. */
static void NOINLINE recovers(void)
{
	GREEN_SCOPE;

	green_defer(jumps, NULL);
	green_panic("the first");
}

static void panics_twice(void *arg)
{
	if (!setjmp(env))
		recovers();
	green_panic("the second");
}

TEST(a_jump_out_of_a_panics_defer_ends_the_panic)
{
	EXPECT_END(panics_twice, "green: thread 2 (unnamed): panic: the second\n");
}

/* ---- GREEN_SCOPE ------------------------------------------------------------------------ */

static void add_to(int *p, int n)
{
	green_yield();
	*p += n;
	note(*p);
}

/* Records of both kinds, on several segments. */
static void NOINLINE scopes(int n, void (*out)(void))
{
	int mine = n;
	char room[30 << 10];
	struct green_defer record;
	GREEN_SCOPE;

	KEEP_SIZE(room);
	room[100] = n;
	green_defer(add_to, &mine, 0);
	green_defer_at(&record, add_to, &mine, 0);
	if (n > 1)
		scopes(n - 1, out);
	else
		out();
}

static void scopes_4(void *out)
{
	scopes(4, (void (*)(void))out);
}

static void NOINLINE innocent(void)
{
	volatile int words[64];
	int mine = 5;
	GREEN_SCOPE;

	for (int i = 0; i < 64; i++)
		words[i] = i;
	green_defer(add_to, &mine, 1);
	for (int i = 0; i < 64; i++)
		bad += words[i] != i;
}

static void NOINLINE leaves_scopes(void)
{
	GREEN_SCOPE;

	green_defer(note, 9);
	if (!setjmp(env)) {
		scopes_4(jump);
		bad++;
	}
	innocent();
}

static void out_of_scopes(void *arg)
{
	order = 0;
	leaves_scopes();
	bad += order != 1122334469;

	order = 0;
	bad += foreign_call(scopes_4, foreign_longjmp) != 1;
	innocent();
	bad += order != 112233446;

	order = 0;
	bad += catches(scopes_4, throw_7) != 7;
	innocent();
	bad += order != 112233446;
}

TEST(what_was_deferred_runs_at_the_jump)
{
	NOT_IF_STATIC;
	bad = 0;
	RUN(out_of_scopes);
	EXPECT_EQ(0, bad);
}

/* Destructors and deferred calls, newest first. */
static void scopes_and_throws(void *arg)
{
	GREEN_SCOPE;

	green_defer(note, 1);
	throws(3);
}

static void destroys_below_scope(void *arg)
{
	GREEN_SCOPE;

	green_defer(note, 3);
	destroys(2, scopes_and_throws, NULL);
}

static void destroys_twice(void *arg)
{
	destroys(4, destroys_below_scope, NULL);
}

static void mixes(void *arg)
{
	order = 0;
	bad += catches(destroys_twice, NULL) != 3;
	bad += order != 1234;
}

TEST(deferred_calls_among_destructors)
{
	NOT_IF_STATIC;
	bad = 0;
	RUN(mixes);
	EXPECT_EQ(0, bad);
}

#ifdef STATIC
TEST(an_exception_over_scopes_is_noticed_late)
{
	EXPECT_END(out_of_scopes, "a GREEN_SCOPE with deferred calls was left in a way that libgreen does not see");
	EXPECT_END(mixes, "it has ended, and a GREEN_SCOPE with deferred calls was left in a way");
}
#endif

static void unseen_scopes(void *arg)
{
	bad += foreign_context(scopes_4, foreign_setcontext) != 1;
	innocent();
}

static void NOINLINE overwrites(void)
{
	char room[100 << 10];
	GREEN_SCOPE;

	memset(room, 0, sizeof(room));
	KEEP_SIZE(room);
	green_defer(note, 1);
}

static void NOINLINE one_scope(void)
{
	GREEN_SCOPE;
	green_defer(note, 1);
	foreign_setcontext();
}

static void unseen_scope(void *arg)
{
	one_scope();
}

static void unseen_and_overwritten(void *arg)
{
	bad += foreign_context(unseen_scope, NULL) != 1;
	overwrites();
}

static void unseen_at_the_end(void *arg)
{
	bad += foreign_context(unseen_scope, NULL) != 1;
}

TEST(a_scope_that_was_left_unseen)
{
	EXPECT_END(unseen_at_the_end, "it has ended, and a GREEN_SCOPE with deferred calls was left in a way");
	EXPECT_END(unseen_scopes, "a GREEN_SCOPE with deferred calls was left in a way that libgreen does not see");
	EXPECT_END(unseen_and_overwritten, "a GREEN_SCOPE with deferred calls was left in a way that libgreen does not see");
}

static void NOINLINE exits(void)
{
	GREEN_SCOPE;

	green_defer(jumps, NULL);
	green_exit();
}

static void jumps_out_of_exit(void *arg)
{
	if (!setjmp(env))
		exits();
}

TEST(nothing_leaves_an_exit)
{
	EXPECT_END(jumps_out_of_exit, "out of green_exit()");
}

/* ---- where a jump may not lead ------------------------------------------------------------ */

static void waits(void *arg)
{
	if (!setjmp(env))
		green_sleep_ns(1000000);
	else
		bad++;
}

static void jumps_to_another(void *arg)
{
	green_t *t = green_go(waits, NULL);

	green_yield();
	jump();
	green_join(t);
}

static void jumps_out_of_run(void *arg)
{
	longjmp(env, 1);
}

static int run_below_setjmp(void (*fn)(void *))
{
	victim = fn;
	return setjmp(env) ? 77 : green_run(&alone, runs_victim, NULL);
}

TEST(a_jump_to_another_stack)
{
	int status;

	EXPECT_END(jumps_to_another, "longjmp() to a stack that is not this thread's");
	if (!fork()) {
		freopen("/dev/null", "w", stderr);
		_exit(run_below_setjmp(jumps_out_of_run));
	}
	wait(&status);
	EXPECT_TRUE(is_abort(status));
}

/* ---- signal handlers ------------------------------------------------------------------------ */

static void handler(int sig)
{
	siglongjmp(sigenv, 1);
}

static void catch(void (*fn)(int))
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = SA_ONSTACK };

	sigaction(SIGUSR1, &sa, NULL);
}

static void raises(void)
{
	raise(SIGUSR1);
}

static void NOINLINE out_of_handler(void)
{
	if (!sigsetjmp(sigenv, 1)) {
		segments(3, raises);
		bad++;
	}
	works();
}

static void out_of_handlers(void *arg)
{
	for (int i = 0; i < 5; i++)
		out_of_handler();
}

TEST(out_of_a_handler_over_segments)
{
	bad = 0;
	catch(handler);
	RUN(out_of_handlers);
	EXPECT_EQ(0, bad);
	signal(SIGUSR1, SIG_DFL);
}

static void sends_soon(int fd)
{
	if (!fork()) {
		usleep(100000);
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
}

static void leaves_a_wait(void *arg)
{
	int fd[2];
	char c;

	if (pipe(fd))
		return;
	catch(handler);
	sends_soon(fd[0]);
	if (!sigsetjmp(sigenv, 1))
		green_read(fd[0], &c, 1);
	works();
}

static void handler_by_context(int sig)
{
	jump_5();
}

static void leaves_a_wait_unseen(void *arg)
{
	int fd[2];
	char c;

	if (pipe(fd))
		return;
	catch(handler_by_context);
	sends_soon(fd[0]);
	jumped = false;
	getcontext(&context);
	if (!jumped)
		green_read(fd[0], &c, 1);
	works();
}

TEST(out_of_a_call_that_waits)
{
	EXPECT_END(leaves_a_wait, "longjmp() from a signal handler out of a call of libgreen");
	EXPECT_END(leaves_a_wait_unseen, "a call of libgreen was left by longjmp() or its like");
}

static void scope_below_handler(void *arg)
{
	catch(handler);
	if (!sigsetjmp(sigenv, 1))
		scopes_4(raises);
}

TEST(out_of_a_handler_over_scopes)
{
	EXPECT_END(scope_below_handler, "siglongjmp() from a signal handler over deferred calls");
}

/* A handler is not the thread that it interrupts. */
static volatile int handler_got;

static void calls(int sig)
{
	handler_got = green_sleep_ns(1);
}

static void interrupted(void *arg)
{
	catch(calls);
	raise(SIGUSR1);
	bad += handler_got != -EPERM;
	signal(SIGUSR1, SIG_DFL);
}

TEST(a_handler_is_not_a_green_thread)
{
	bad = 0;
	RUN(interrupted);
	EXPECT_EQ(0, bad);
}

/* ---- stacks of the program's own ---------------------------------------------------------------- */

static void *costack;
#define COSTACK (256 << 10)

static void NOINLINE yields_there(void *arg)
{
	for (int i = 0; i < 10; i++)
		green_yield();
	bad += green_stack_move(green_self(), 0, NULL) != -EBUSY;
}

static void in_coroutine(void *arg)
{
	on_coroutine(costack, COSTACK, yields_there, NULL);
	works();
}

TEST(a_thread_on_a_stack_of_its_own)
{
	costack = mmap(NULL, COSTACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bad = 0;
	RUN(in_coroutine);
	EXPECT_EQ(0, bad);
	munmap(costack, COSTACK);
}

/* Idle threads give memory back: these not that of others that lies in between. */
static void sleeps_there(void *arg)
{
	green_sleep_ns(3500000000);
}

static void sleeps_in_coroutine(void *stack)
{
	on_coroutine(stack, COSTACK, sleeps_there, NULL);
}

static void sleeps_after_a_jump(void *arg)
{
	if (!setjmp(env))
		segments(3, jump);
	green_sleep_ns(3500000000);
}

static void idle_neighbour(void *arg)
{
	volatile long words[500];

	for (int i = 0; i < 500; i++)
		words[i] = i * 3 + 1;
	green_sleep_ns(3600000000);
	for (int i = 0; i < 500; i++)
		if (words[i] != i * 3 + 1)
			abort();
}

static void idle_threads(void *arg)
{
	green_t *t[NEIGHBOURS + 3];

	for (int i = 0; i < NEIGHBOURS; i++)
		t[i] = green_go(idle_neighbour, NULL);
	t[NEIGHBOURS] = green_go(sleeps_in_coroutine, costack);
	t[NEIGHBOURS + 1] = green_go(sleeps_in_coroutine, (char *)costack + COSTACK);
	t[NEIGHBOURS + 2] = green_go(sleeps_after_a_jump, NULL);
	for (int i = 0; i < NEIGHBOURS + 3; i++)
		green_join(t[i]);
}

TEST(idle_threads_that_are_elsewhere)
{
	char *line;

	costack = mmap(NULL, 2 * COSTACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	EXPECT_EQ(0, child_thread(idle_threads));
	line = strstr(said, "waits on a stack that is not its own");
	EXPECT_NE(NULL, line);
	EXPECT_TRUE(line && !strstr(line + 1, "waits on a stack"));
	munmap(costack, 2 * COSTACK);
}

TEST_HARNESS_MAIN
