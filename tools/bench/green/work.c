// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * work WORKERS THREADS TURNS FOREIGN MS: threads that compute for so many turns and
 * yield, for so long. The time of a round, by the clock, and how many the slowest
 * thread did of the fastest one's.
 *
 * The clock stands, for a worker, while it waits for a processor that something else
 * on the machine has: the kernel says how long that was.
 */
#include <dirent.h>

#include "bench_green.h"

#define MAX_WORKERS 2

static struct {
	const long *arg;
	int over;
} run;

void loop_mapped(void *loop)
{
	struct worker_loop *l = loop;

	while (!__atomic_load_n(l->over, __ATOMIC_RELAXED)) {
		compute(l->turns);
		green_yield();
		l->rounds++;
	}
}

/* Of an OS thread of this process, as the kernel has counted it: nanoseconds. */
struct counted {
	unsigned long long ran, waited;
};

static struct counted count(const char *tid)
{
	struct counted c = { 0, 0 };
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", tid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%llu %llu", &c.ran, &c.waited) != 2)
		c = (struct counted){ 0, 0 };
	if (f)
		fclose(f);
	return c;
}

/* How long the workers, which are the threads that ran most, waited for a processor. */
static uint64_t waited_ns(long workers)
{
	struct counted most[MAX_WORKERS + 1] = { { 0, 0 } }, c;
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	uint64_t sum = 0;
	long i;

	while (dir && (e = readdir(dir))) {
		c = count(e->d_name);
		for (i = workers; i > 0 && most[i - 1].ran < c.ran; i--)
			most[i] = most[i - 1];
		most[i] = c;
	}
	if (dir)
		closedir(dir);
	for (i = 0; i < workers; i++)
		sum += most[i].waited;
	return sum;
}

/*
 * The part of @wall that was a worker's own. A wait counts when it is over: where the
 * machine is so busy that most of it lay before, there is nothing to be had from this.
 */
static uint64_t own_ns(uint64_t wall, uint64_t waited)
{
	return waited < wall - wall / 10 ? wall - waited : wall / 10;
}

static void report(const struct worker_loop *l, long threads, uint64_t ns)
{
	long all = 0, least = l->rounds, most = l->rounds;

	for (long i = 0; i < threads; i++) {
		all += l[i].rounds;
		least = l[i].rounds < least ? l[i].rounds : least;
		most = l[i].rounds > most ? l[i].rounds : most;
	}
	figure("ns", (double)ns / (double)all);
	figure("fair", (double)least / (double)(most ? most : 1));
}

static int start(void *arg)
{
	const long workers = run.arg[0], threads = run.arg[1];
	struct worker_loop *l = aligned_alloc(64, (size_t)threads * sizeof(*l));
	green_t **t = calloc((size_t)threads, sizeof(*t));
	uint64_t t0, waited;
	long i;

	for (i = 0; i < threads; i++) {
		l[i] = (struct worker_loop){ run.arg[2], &run.over, 0 };
		t[i] = go_or_die(run.arg[3] ? loop_foreign : loop_mapped, &l[i]);
	}
	waited = waited_ns(workers);
	t0 = wall_ns();
	green_sleep_ns((uint64_t)run.arg[4] * 1000000u);
	__atomic_store_n(&run.over, 1, __ATOMIC_RELAXED);
	t0 = wall_ns() - t0;
	waited = waited_ns(workers) - waited;
	report(l, threads, own_ns(t0, waited / (uint64_t)workers));
	for (i = 0; i < threads; i++)
		green_join(t[i]);
	(void)arg;
	free(t);
	free(l);
	return 0;
}

int bench_work(const long *arg)
{
	struct green_options opt = { .workers = (unsigned int)arg[0] };

	if (arg[0] < 1 || arg[0] > MAX_WORKERS)
		return 2;
	run.arg = arg;
	return run_green(&opt, start, NULL);
}
