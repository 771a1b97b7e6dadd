// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * yield THREADS FRAMES YIELDS STACK: the CPU time of a yield, so many frames below the
 * loop, when so many threads take turns. The first thread measures: the others have
 * done as many as it has.
 */
#include "bench_green.h"

static struct {
	long threads, frames, turns;
	uint64_t ns;
} run;

static void __attribute__((noinline)) yields(long frames)
{
	if (frames > 1)
		yields(frames - 1);
	else
		green_yield();
	/* No jump in place of a call. */
	__asm__ volatile("");
}

static void takes_turns(void *arg)
{
	uint64_t t0;
	long i;

	for (i = 0; i < 3; i++)
		yields(run.frames);
	t0 = arg ? 0 : cpu_ns();
	for (i = 0; i < run.turns; i++)
		yields(run.frames);
	if (!arg)
		run.ns = cpu_ns() - t0;
}

static int start(void *arg)
{
	green_t **t = calloc((size_t)run.threads, sizeof(*t));
	long i;

	for (i = 0; i < run.threads; i++)
		t[i] = go_or_die(takes_turns, (void *)i);
	for (i = 0; i < run.threads; i++)
		green_join(t[i]);
	free(t);
	(void)arg;
	return 0;
}

int bench_yield(const long *arg)
{
	struct green_options opt = { .workers = 1, .stack_size = (size_t)arg[3] };
	int status;

	run.threads = arg[0];
	run.frames = arg[1];
	run.turns = arg[2] / arg[0] + 1;
	status = run_green(&opt, start, NULL);
	if (!status)
		figure("ns", (double)run.ns / (double)(run.turns * run.threads));
	return status;
}
