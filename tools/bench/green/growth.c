// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * growth BYTES ROUNDS STACK: growth in a fresh thread: start one, recurse until it
 * uses so many bytes of stack, let it end. The time of each round, by the clock, and of
 * the first once more. It does as peers/go/growth.go does: a call takes 256 bytes in
 * both, or it is an error.
 */
#include <stdbool.h>

#include "bench_green.h"

/* So a call takes 256 bytes here and there, whatever the compiler adds. */
#define ARRAY 224
#define FRAME 256

static struct {
	const long *arg;
	long calls;
	volatile long sink;
	bool measuring;
	size_t used;
} run;

/* A function of its own, lest the compiler see what becomes of the array. */
static void __attribute__((noinline)) use(char *here, long n)
{
	here[n % ARRAY] = 1;
}

static void __attribute__((noinline)) bottom(void)
{
	struct green_stack_info info;

	if (run.measuring && !green_stack_info(green_self(), &info))
		run.used = info.used;
}

static long __attribute__((noinline)) down(long n)
{
	char here[ARRAY] = { 0 };

	use(here, n);
	if (n > 1)
		n = down(n - 1) + 1;
	else
		bottom();
	return n + here[0];
}

static void grows(void *arg)
{
	run.sink += down(run.calls);
	(void)arg;
}

static void measures(void *arg)
{
	size_t top;

	run.measuring = true;
	bottom();
	top = run.used;
	down(100);
	*(size_t *)arg = (run.used - top) / 100;
	run.measuring = false;
}

static int start(void *arg)
{
	static size_t frame;
	uint64_t t0;
	double ns;

	green_join(go_or_die(measures, &frame));
	if (frame != FRAME) {
		fprintf(stderr, "green: a call takes %zu bytes, not %d\n", frame, FRAME);
		return 1;
	}
	run.calls = run.arg[0] / FRAME;
	for (long i = 0; i < run.arg[1]; i++) {
		t0 = wall_ns();
		green_join(go_or_die(grows, NULL));
		ns = (double)(wall_ns() - t0);
		figure(i ? "ns" : "first", ns);
	}
	(void)arg;
	return 0;
}

int bench_growth(const long *arg)
{
	struct green_options opt = { .workers = 1, .stack_size = (size_t)arg[2] };

	run.arg = arg;
	return run_green(&opt, start, NULL);
}
