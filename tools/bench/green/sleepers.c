// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* sleepers THREADS SLEEPS: the CPU time of a sleep, when so many threads sleep. */
#include "bench_green.h"

static const long *numbers;

static void sleeps(void *arg)
{
	for (long i = 0; i < numbers[1]; i++)
		green_sleep_ns(1000000u * sleep_ms((unsigned long)arg, (unsigned long)i));
}

static int start(void *arg)
{
	const long threads = numbers[0];
	green_t **t = calloc((size_t)threads, sizeof(*t));
	uint64_t t0;
	long i;

	for (i = 0; i < threads; i++)
		t[i] = go_or_die(sleeps, (void *)i);
	t0 = cpu_ns();
	for (i = 0; i < threads; i++)
		green_join(t[i]);
	figure("ns", (double)(cpu_ns() - t0) / (double)(threads * numbers[1]));
	free(t);
	(void)arg;
	return 0;
}

int bench_sleepers(const long *arg)
{
	struct green_options opt = { .workers = 1, .stack_size = 1024 };

	numbers = arg;
	return run_green(&opt, start, NULL);
}
