// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * move FRAMES MOVES: the CPU time to move the stack of a thread that waits in the last
 * of so many frames, each with a pointer into the one above.
 */
#include "bench_green.h"

static struct {
	const long *arg;
	long sum;
	int over;
} run;

static long __attribute__((noinline)) below(long *up, long frames)
{
	long here = *up + 1;

	if (frames > 1)
		return below(&here, frames - 1) + here;
	while (!__atomic_load_n(&run.over, __ATOMIC_RELAXED))
		green_yield();
	return here + *up;
}

static void waits(void *arg)
{
	long here = 1;

	run.sum = below(&here, run.arg[0] - 1) + here;
	(void)arg;
}

static int start(void *arg)
{
	green_t *t = go_or_die(waits, NULL);
	const long moves = run.arg[1];
	uint64_t t0;
	long i;

	green_yield();
	t0 = cpu_ns();
	for (i = 0; i < moves; i++)
		if (green_stack_move(t, 0, NULL))
			return 1;
	figure("ns", (double)(cpu_ns() - t0) / (double)moves);
	run.over = 1;
	(void)arg;
	return green_join(t);
}

int bench_move(const long *arg)
{
	run.arg = arg;
	return run_green(NULL, start, NULL);
}
