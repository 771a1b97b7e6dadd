// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * spawn TIMES: the CPU time to start a thread that does nothing and join it.
 * alive THREADS BURSTS: the same of one of many that are all started before any ends.
 */
#include "bench_green.h"

static void nothing(void *arg)
{
	(void)arg;
}

static void yields(void *arg)
{
	green_yield();
	(void)arg;
}

static int spawns(void *arg)
{
	const long times = *(const long *)arg;
	uint64_t t0 = cpu_ns();

	for (long i = 0; i < times; i++)
		green_join(go_or_die(nothing, NULL));
	figure("ns", (double)(cpu_ns() - t0) / (double)times);
	return 0;
}

static void burst(green_t **t, long threads)
{
	uint64_t t0 = cpu_ns();
	long i;

	for (i = 0; i < threads; i++)
		t[i] = go_or_die(yields, NULL);
	for (i = 0; i < threads; i++)
		green_join(t[i]);
	figure("ns", (double)(cpu_ns() - t0) / (double)threads);
}

static int bursts(void *arg)
{
	const long *numbers = arg;
	green_t **t = calloc((size_t)numbers[0], sizeof(*t));

	for (long i = 0; i < numbers[1]; i++)
		burst(t, numbers[0]);
	free(t);
	return 0;
}

int bench_spawn(const long *arg)
{
	return run_green(NULL, spawns, (void *)arg);
}

int bench_alive(const long *arg)
{
	return run_green(NULL, bursts, (void *)arg);
}
