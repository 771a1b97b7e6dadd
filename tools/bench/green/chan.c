// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * message TIMES CAPACITY WORKERS: the time that a word takes from a thread to another,
 * through a channel of that capacity.
 * sieve PRIMES WORKERS: the time to find so many primes, a thread for each.
 */
#include <green_sync.h>

#include "bench_green.h"

static long times;

static void sends(void *arg)
{
	green_chan_t *ch = arg;

	for (long i = 0; i < times; i++)
		green_chan_send(ch, &i);
}

static int messages(void *arg)
{
	green_chan_t *ch = green_chan_new(sizeof(long), ((const long *)arg)[1]);
	green_t *t = go_or_die(sends, ch);
	uint64_t cpu = cpu_ns(), wall = wall_ns();
	long v;

	for (long i = 0; i < times; i++)
		green_chan_recv(ch, &v);
	figure("ns", (double)(cpu_ns() - cpu) / (double)times);
	figure("wall", (double)(wall_ns() - wall) / (double)times);
	green_join(t);
	return 0;
}

static void counts(void *ch)
{
	for (long n = 2;; n++)
		green_chan_send(ch, &n);
}

struct filter {
	green_chan_t *in, *out;
	long prime;
};

static void filters(void *arg)
{
	struct filter f = *(struct filter *)arg;
	long n;

	for (;;) {
		green_chan_recv(f.in, &n);
		if (n % f.prime)
			green_chan_send(f.out, &n);
	}
}

static int sieves(void *arg)
{
	struct filter *f = calloc((size_t)times, sizeof(*f));
	green_chan_t *ch = green_chan_new(sizeof(long), 0);
	uint64_t cpu = cpu_ns(), wall = wall_ns();

	go_or_die(counts, ch);
	for (long i = 0; i < times; i++) {
		f[i].in = ch;
		f[i].out = ch = green_chan_new(sizeof(long), 0);
		green_chan_recv(f[i].in, &f[i].prime);
		go_or_die(filters, &f[i]);
	}
	figure("ns", (double)(cpu_ns() - cpu));
	figure("wall", (double)(wall_ns() - wall));
	(void)arg;
	return 0;
}

int bench_message(const long *arg)
{
	struct green_options opt = { .workers = (unsigned int)arg[2] };

	times = arg[0];
	return run_green(&opt, messages, (void *)arg);
}

int bench_sieve(const long *arg)
{
	struct green_options opt = { .stack_size = 4096, .workers = (unsigned int)arg[1] };

	times = arg[0];
	return run_green(&opt, sieves, NULL);
}
