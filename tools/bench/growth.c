/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Growth in a fresh thread: start one, recurse until it uses so many bytes of
 * stack, let it end. Prints the bytes that a call takes, as they were measured, and
 * then the nanoseconds of each round, as growth.go does.
 * usage: growth bytes rounds first-stack
 */
#include <green.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* So a call takes 256 bytes here and in growth.go, whatever the compiler adds. */
#define ARRAY 224

static long calls, rounds;
static volatile long sink;
static bool measuring;
static size_t used;

/* A function of its own, lest the compiler see what becomes of the array. */
static void __attribute__((noinline)) use(char *here, long n)
{
	here[n % ARRAY] = 1;
}

static void __attribute__((noinline)) bottom(void)
{
	struct green_stack_info info;

	if (measuring && !green_stack_info(green_self(), &info))
		used = info.used;
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

static void thread(void *arg)
{
	sink += down(calls);
	(void)arg;
}

static void measure(void *arg)
{
	size_t top;

	measuring = true;
	bottom();
	top = used;
	down(100);
	*(size_t *)arg = (used - top) / 100;
	measuring = false;
}

static int run(void *arg)
{
	long bytes = *(long *)arg, i;
	static size_t frame;

	green_join(green_go(measure, &frame));
	printf("%zu\n", frame);
	calls = bytes / (long)frame;
	for (i = 0; i < rounds; i++) {
		uint64_t t0 = green_now_ns();

		green_join(green_go(thread, NULL));
		printf("%lu\n", green_now_ns() - t0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct green_options opt = { .stack_size = 0 };
	static long bytes;

	if (argc != 4)
		return 2;
	bytes = atol(argv[1]);
	rounds = atol(argv[2]);
	opt.stack_size = atol(argv[3]);
	return -green_run(&opt, run, &bytes);
}
