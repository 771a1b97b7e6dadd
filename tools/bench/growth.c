/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Growth in a fresh thread: start one, recurse until it uses so many bytes of
 * stack, let it end. Prints the nanoseconds of each round, as growth.go does.
 * usage: growth bytes rounds
 */
#include <green.h>
#include <stdio.h>
#include <stdlib.h>

#define FRAME 256

static long bytes, rounds;
static volatile long sink;

/* Some 256 bytes a call, as in growth.go. */
static long __attribute__((noinline)) down(long n)
{
	char here[FRAME - 64];

	__asm__ volatile("" : "+m"(here));
	here[n % (long)sizeof(here)] = 1;
	if (n > 0)
		n = down(n - 1) + 1;
	return n + here[0] * 0;
}

static void thread(void *arg)
{
	sink += down(bytes / FRAME);
	(void)arg;
}

static int run(void *arg)
{
	long i;

	(void)arg;
	for (i = 0; i < rounds; i++) {
		uint64_t t0 = green_now_ns();

		green_join(green_go(thread, NULL));
		printf("%lu\n", green_now_ns() - t0);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	bytes = atol(argv[1]);
	rounds = atol(argv[2]);
	return -green_run(NULL, run, NULL);
}
