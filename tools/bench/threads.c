/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Many parked threads: what one takes of memory, its page tables included, and
 * what it costs to start and join one. Prints bytes a thread, and nanoseconds.
 * usage: threads number stack-bytes
 */
#include <green.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAWNS 200000

static long number;
static long woken;
static int go;

/* VmRSS and VmPTE. */
static size_t memory(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	size_t sum = 0, kib;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmRSS: %zu", &kib) == 1 || sscanf(line, "VmPTE: %zu", &kib) == 1)
			sum += kib << 10;
	if (f)
		fclose(f);
	return sum;
}

static long __attribute__((noinline)) waits(long *up)
{
	long here = *up;

	while (!__atomic_load_n(&go, __ATOMIC_RELAXED))
		green_sleep_ns(3600000000000u);
	return here;
}

/* Three frames and their pointers. */
static void parked(void *arg)
{
	long local = (long)arg;

	woken += waits(&local);
}

static void nothing(void *arg)
{
	(void)arg;
}

static int run(void *arg)
{
	green_t **t = malloc(number * sizeof(*t));
	size_t before;
	uint64_t t0;
	long i;

	(void)arg;
	if (!t)
		return 1;
	memset(t, 0, number * sizeof(*t));
	t0 = green_now_ns();
	for (i = 0; i < SPAWNS; i++)
		green_join(green_go(nothing, NULL));
	t0 = green_now_ns() - t0;
	before = memory();
	for (i = 0; i < number; i++)
		t[i] = green_go(parked, (void *)1);
	green_yield();
	printf("%zu %.1f\n", (memory() - before) / number, (double)t0 / SPAWNS);
	return 0;
}

int main(int argc, char **argv)
{
	struct green_options opt = { 0 };

	if (argc != 3)
		return 2;
	number = atol(argv[1]);
	opt.stack_size = atol(argv[2]);
	return -green_run(&opt, run, NULL);
}
