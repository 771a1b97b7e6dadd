/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What green's benchmarks are; each is in the file of its name, or near. */
#ifndef BENCH_GREEN_H
#define BENCH_GREEN_H

#include <green.h>

#include "../bench.h"

int bench_yield(const long *arg);
int bench_spawn(const long *arg);
int bench_alive(const long *arg);
int bench_work(const long *arg);
int bench_message(const long *arg);
int bench_sieve(const long *arg);
int bench_parked(const long *arg);
int bench_sleepers(const long *arg);
int bench_move(const long *arg);
int bench_growth(const long *arg);
int bench_echo(const long *arg);

/* Runs @fn(@arg) as the first thread; the exit status. */
int run_green(const struct green_options *opt, int (*fn)(void *), void *arg);

/* A thread or the end of the process. */
green_t *go_or_die(void (*fn)(void *), void *arg);

/* Computes for so many turns of about a nanosecond; returns what came out. */
unsigned long compute(long turns);

struct worker_loop {
	long turns;
	const int *over;
	long rounds;
} __attribute__((aligned(64)));

/* A thread that computes and yields until it is over; in foreign.c gcc's code. */
void loop_mapped(void *loop);
void loop_foreign(void *loop);

#endif /* BENCH_GREEN_H */
