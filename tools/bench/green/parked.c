// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * parked THREADS STACK SECONDS: the memory of a thread that waits, two functions deep: of
 * each of so many that have just begun to, and again after so long.
 */
#include <unistd.h>

#include "bench_green.h"

static struct {
	const long *arg;
	long woken;
	int go;
} run;

static long __attribute__((noinline)) waits(long *up)
{
	long here = *up;

	while (!__atomic_load_n(&run.go, __ATOMIC_RELAXED))
		green_sleep_ns(3600000000000u);
	return here;
}

static void parked(void *arg)
{
	long local = (long)arg;

	run.woken += waits(&local);
}

static void each(const char *name, size_t before)
{
	figure(name, (double)(memory() - before) / (double)run.arg[0]);
}

static int start(void *arg)
{
	size_t before = memory();

	for (long i = 0; i < run.arg[0]; i++)
		green_detach(go_or_die(parked, (void *)1));
	green_yield();
	each("once", before);
	if (run.arg[2])
		green_sleep_ns((uint64_t)run.arg[2] * 1000000000u);
	each("idle", before);
	/* They are not worth waking. */
	_exit(0);
	return (int)(long)arg;
}

int bench_parked(const long *arg)
{
	struct green_options opt = { .workers = 1, .stack_size = (size_t)arg[1] };

	run.arg = arg;
	return run_green(&opt, start, NULL);
}
