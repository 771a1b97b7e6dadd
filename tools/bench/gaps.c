// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What a gap below each stack costs: page tables, the time to start a thread in a
 * place that was never used, and that to end them all.
 */
#include <green.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 20000

static struct {
	size_t stack;
	long tables;			/* KiB */
	uint64_t start_ns, begin, end;
} run;

static long page_tables(void)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200];
	long kb = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "VmPTE: %ld", &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static void waits(void *arg)
{
	green_sleep_ns(3600000000000);
}

static int start(void *arg)
{
	const struct green_attr attr = { .stack_size = run.stack };
	long before = page_tables();
	uint64_t t0 = green_now_ns();

	for (int i = 0; i < THREADS; i++)
		if (!green_go_opt(&attr, waits, NULL))
			return 1;
	run.start_ns = (green_now_ns() - t0) / THREADS;
	/* They touch their stacks when they run. */
	green_yield();
	run.tables = page_tables() - before;
	run.begin = green_now_ns();
	return 0;
}

int main(void)
{
	static const size_t stacks[] = { 64 << 10, 256 << 10 };
	static const size_t gaps[] = { 4 << 10, 256 << 10, 512 << 10, 1 << 20 };

	printf("%10s %10s %20s %10s %10s\n", "stack KiB", "gap KiB", "page tables, bytes",
	       "start, ns", "end, ns");
	for (int i = 0; i < 8; i++) {
		struct green_options opt = { .workers = 1, .gap = gaps[i % 4] };

		run.stack = stacks[i / 4];
		if (green_run(&opt, start, NULL))
			return 1;
		printf("%10zu %10zu %20ld %10llu %10llu\n", run.stack >> 10, opt.gap >> 10,
		       run.tables * 1024 / THREADS, (unsigned long long)run.start_ns,
		       (unsigned long long)(green_now_ns() - run.begin) / THREADS);
	}
	return 0;
}
