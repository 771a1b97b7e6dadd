/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the benchmarks' programs in C and C++ share. Each is called with the name of
 * what it is to measure and numbers, and prints lines of a name and a figure; more
 * lines of a name are more samples. Exit status 4: the machine lacks what the last
 * line of stderr says.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BENCH_SKIP 4
#define BENCH_ARGS 5

/* Not each program uses all of them. */
#define BENCH_UNUSED __attribute__((unused))

static BENCH_UNUSED uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* The CPU time of all threads of the process. */
static BENCH_UNUSED uint64_t cpu_ns(void)
{
	return clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

static BENCH_UNUSED uint64_t wall_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static BENCH_UNUSED void figure(const char *name, double value)
{
	printf("%s %.5g\n", name, value);
	fflush(stdout);
}

/* Bytes that the process has, its page tables included. */
static BENCH_UNUSED size_t memory(void)
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

/* How long a sleeper sleeps, in ms: 50 to 149, as spread as it can be. */
static BENCH_UNUSED unsigned int sleep_ms(unsigned long thread, unsigned long turn)
{
	return 50 + (unsigned int)((thread * 7919 + turn * 31) % 100);
}

/* @run gets the numbers, which are 0 where there are fewer; returns an exit status. */
struct bench {
	const char *name;
	int (*run)(const long *arg);
};

static BENCH_UNUSED int bench_main(const struct bench *b, int argc, char **argv)
{
	long arg[BENCH_ARGS] = { 0 };
	int i;

	for (i = 2; i < argc && i < BENCH_ARGS + 2; i++)
		arg[i - 2] = atol(argv[i]);
	for (; argc > 1 && b->name; b++)
		if (!strcmp(b->name, argv[1]))
			return b->run(arg);
	fprintf(stderr, "%s: cannot measure %s\n", argv[0], argc > 1 ? argv[1] : "nothing");
	return 2;
}

#endif /* BENCH_H */
