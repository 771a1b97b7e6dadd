// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * usage: soak [seconds [workers [threads]]]
 * Threads that yield, sleep, recurse, pass bytes through pipes, wait for each other by
 * mutexes, conditions, semaphores and groups, and are cancelled, on several workers, while
 * others move their stacks. All they compute is checked. One test; with arguments,
 * progress and a table as well. Built by greencc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <green_sync.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "foreign.h"

#define NOINLINE __attribute__((noinline))
#define MOVERS 4

static struct {
	unsigned int seconds, workers, threads;
	bool verbose;
} opt = { 2, 2, 1000, false };

static struct {
	uint64_t rounds, failures, moved, cancelled;
	uint64_t refused[GREEN_NOMOVE_REASONS];
	struct green_stats stats;
} total;

struct job {
	green_t *thread;
	unsigned int nr;
	int status;
	unsigned long sum, want;
	int pipe[2];
};

static struct job *jobs;
static unsigned int nr_moving;
static bool moving;
static __thread unsigned long scratch;

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* ---- the work ----------------------------------------------------------- */

struct link {
	const struct link *up;
	unsigned long value;
};

/* A list through all frames, which is walked after each turn at the deepest. */
static unsigned long NOINLINE recurse(const struct link *up, unsigned int depth,
				      unsigned int turns)
{
	struct link here = { up, depth };
	unsigned long sum = 0;

	if (depth)
		return recurse(&here, depth - 1, turns);
	while (turns--) {
		green_yield();
		for (const struct link *l = &here; l; l = l->up)
			sum += l->value;
	}
	return sum;
}

static void yields(struct job *j)
{
	j->want = 20ul * 50 * 51 / 2;
	j->sum = recurse(NULL, 50, 20);
}

static void sleeps(struct job *j)
{
	unsigned long local[4] = { 1, 2, 3, 4 }, *p = local;

	for (int i = 0; i < 4; i++) {
		green_sleep_ns(100000 + j->nr * 1000);
		j->sum += *p++;
	}
	j->want = 10;
}

static NOINLINE pthread_t this_thread(void)
{
	return pthread_self();
}

/* The word is of the OS thread that this is now, before and after. */
static void own_variables(struct job *j)
{
	for (unsigned long i = 1; i <= 10; i++) {
		scratch = j->nr + i;
		j->sum += scratch == j->nr + i;
		green_yield();
		scratch = i;
		j->sum += scratch == i;
		/* A green thread's errno is that of its OS thread; nobody sets it here. */
		errno = 1000 + (int)i;
		j->sum += errno == 1000 + (int)i;
		green_yield();
		j->sum += pthread_equal(pthread_self(), this_thread()) != 0;
	}
	j->want = 40;
}

static void writer(void *arg)
{
	struct job *j = arg;
	unsigned char buf[64];

	for (unsigned int i = 0; i < 8; i++) {
		memset(buf, i + 1, sizeof(buf));
		if (green_write(j->pipe[1], buf, sizeof(buf)) != sizeof(buf))
			return;
		green_yield();
	}
}

/* I/O into the stack, which does not move then. */
static void passes_bytes(struct job *j)
{
	unsigned char buf[100];
	ssize_t n, left = 8 * 64;
	green_t *w = green_go(writer, j);

	while (left > 0 && (n = green_read(j->pipe[0], buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			j->sum += buf[i];
		left -= n;
	}
	green_join(w);
	j->want = 64 * 36;
}

/* Under a frame that nobody knows it stays on its OS thread. */
static void stays(void *arg)
{
	struct job *j = arg;

	for (int i = 0; i < 20; i++) {
		pid_t before = gettid();

		green_yield();
		j->sum += gettid() == before;
	}
}

static void calls_foreign(struct job *j)
{
	foreign_call(stays, j);
	j->want = 20;
}

static void note(unsigned long *sum)
{
	++*sum;
}

/* Cancelled while it sleeps: its defers run, and nothing else. */
static void sleeps_for_ever(struct job *j)
{
	GREEN_SCOPE;

	j->want = 1;
	green_defer(note, &j->sum);
	for (;;)
		green_sleep_ns(1000000000);
}

/* ---- what they wait for each other by ------------------------------------ */

#define TURNS	20
#define TOKENS	7

static struct {
	struct green_mutex lock, cond_lock;
	struct green_cond never;
	struct green_sem tokens, none;
	unsigned long turns;		/* under the lock */
	unsigned int nr_in_turn;
} shared;

/* All of them at one mutex: what each adds is neither lost nor doubled. */
static void takes_turns(struct job *j)
{
	for (int i = 0; i < TURNS; i++) {
		unsigned long old;

		green_mutex_lock(&shared.lock);
		old = shared.turns;
		if (i % 4 == 0)
			green_yield();
		shared.turns = old + 1;
		green_mutex_unlock(&shared.lock);
		j->sum++;
	}
	j->want = TURNS;
	__atomic_add_fetch(&shared.nr_in_turn, 1, __ATOMIC_RELAXED);
}

struct ball {
	struct green_mutex lock;
	struct green_cond thrown;
	unsigned int at;
};

static void throw_back(struct ball *b, unsigned int side, unsigned int times)
{
	while (times--) {
		green_mutex_lock(&b->lock);
		while (b->at != side)
			green_cond_wait(&b->thrown, &b->lock);
		b->at = !side;
		green_cond_broadcast(&b->thrown);
		green_mutex_unlock(&b->lock);
	}
}

static long partner(void *arg)
{
	throw_back(arg, 1, TURNS);
	return TURNS;
}

/* Mutex, condition and group on its stack, to and fro. */
static void plays(struct job *j)
{
	GREEN_SCOPE;
	struct ball b = { .at = 0 };
	struct green_group g;
	long thrown = 0;

	green_group_begin(&g);
	green_group_go(&g, partner, &b, &thrown);
	throw_back(&b, 0, TURNS);
	if (green_group_wait(&g) == 0)
		j->sum = thrown;
	j->want = TURNS;
}

/* With deadlines around the time at which they come. */
static void takes_tokens(struct job *j)
{
	for (unsigned int i = 0; i < TURNS; i++) {
		int err;

		green_deadline(green_now_ns() + (i + j->nr) % 8 * 50000);
		err = green_sem_wait(&shared.tokens);
		if (!err) {
			if (i % 2)
				green_yield();
			err = green_sem_post(&shared.tokens);
		}
		j->sum += !err || err == -ETIMEDOUT;
	}
	green_deadline(0);
	j->want = TURNS;
}

static long waits_for_none(void *arg)
{
	GREEN_SCOPE;

	green_defer(note, (unsigned long *)arg);
	green_sem_wait(&shared.none);
	return 0;
}

static long gives_up(void *arg)
{
	for (unsigned int i = 0; i < ((struct job *)arg)->nr % 5; i++)
		green_yield();
	return -ERANGE;
}

/* Its group fails, by the hand of one of it or by its deadline, or is left as it is. */
static void has_group(struct job *j)
{
	unsigned long ended[3] = { 0, 0, 0 };
	long want = (const long[]){ -ERANGE, -ETIMEDOUT, 0 }[j->nr / 7 % 3];

	{
		GREEN_SCOPE;
		struct green_group g;

		green_group_begin(&g);
		if (want == -ETIMEDOUT)
			green_group_deadline(&g, green_now_ns() + j->nr % 5 * 50000);
		for (int i = 0; i < 3; i++)
			green_group_go(&g, waits_for_none, &ended[i], NULL);
		if (want == -ERANGE)
			green_group_go(&g, gives_up, j, NULL);
		/* A child that sees the deadline itself returns 0. */
		if (want) {
			long err = green_group_wait(&g);

			j->sum = err == want || (!err && want == -ETIMEDOUT);
		} else {
			j->sum = 1;
		}
	}
	for (int i = 0; i < 3; i++)
		j->sum += ended[i];
	j->want = 4;
}

static void unlock(struct green_mutex *m, unsigned long *sum)
{
	if (!green_mutex_unlock(m))
		++*sum;
}

/* Cancelled while it waits, all of them at once: each has the mutex when it unlocks it. */
static void waits_for_signal(struct job *j)
{
	GREEN_SCOPE;

	j->want = 0;
	green_mutex_lock(&shared.cond_lock);
	j->want = 1;
	green_defer(unlock, &shared.cond_lock, &j->sum);
	for (;;)
		green_cond_wait(&shared.never, &shared.cond_lock);
}

static void (*const kinds[])(struct job *j) = {
	yields, sleeps, own_variables, passes_bytes, calls_foreign, sleeps_for_ever,
	takes_turns, plays, takes_tokens, has_group, waits_for_signal,
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static bool is_cancelled(const struct job *j)
{
	return kinds[j->nr % KINDS] == sleeps_for_ever ||
	       kinds[j->nr % KINDS] == waits_for_signal;
}

static void work(void *arg)
{
	struct job *j = arg;

	kinds[j->nr % KINDS](j);
}

/* ---- around it ---------------------------------------------------------- */

/* Moves any thread's stack, wherever that thread may be. */
static void mover(void *arg)
{
	unsigned int seed = (unsigned int)(uintptr_t)arg;
	struct green_nomove why;

	while (moving) {
		for (int i = 0; i < 20; i++) {
			seed = seed * 1103515245 + 12345;
			if (!green_stack_move(jobs[(seed >> 8) % opt.threads].thread, 0, &why))
				__atomic_add_fetch(&total.moved, 1, __ATOMIC_RELAXED);
			else
				__atomic_add_fetch(&total.refused[why.reason], 1,
						   __ATOMIC_RELAXED);
		}
		green_yield();
	}
	__atomic_sub_fetch(&nr_moving, 1, __ATOMIC_RELEASE);
}

/*
 * The pipes are closed here, and not by green_close(), which ThreadSanitizer does
 * not see: it would take the next use of the number for a race.
 */
static int open_pipes(void)
{
	for (unsigned int i = 0; i < opt.threads; i++)
		if (kinds[i % KINDS] == passes_bytes && pipe(jobs[i].pipe))
			return -errno;
	return 0;
}

static void close_pipes(void)
{
	for (unsigned int i = 0; i < opt.threads; i++) {
		if (kinds[i % KINDS] != passes_bytes)
			continue;
		close(jobs[i].pipe[0]);
		close(jobs[i].pipe[1]);
	}
}

static void check(struct job *j)
{
	int want = is_cancelled(j) ? -ECANCELED : 0;

	total.cancelled += j->status == -ECANCELED;
	if (j->sum == j->want && j->status == want)
		return;
	total.failures++;
	printf("# thread %u: sum %lu, should be %lu; status %d, should be %d\n", j->nr,
	       j->sum, j->want, j->status, want);
}

/* What is shared is as it was: nothing was lost, and nobody waits or holds anything. */
static void check_shared(void)
{
	unsigned int bad = shared.turns != (unsigned long)shared.nr_in_turn * TURNS;

	bad += shared.tokens.count != TOKENS;
	bad += green_mutex_destroy(&shared.lock) != 0;
	bad += green_mutex_destroy(&shared.cond_lock) != 0;
	bad += green_cond_destroy(&shared.never) != 0;
	bad += green_sem_destroy(&shared.tokens) != 0;
	bad += green_sem_destroy(&shared.none) != 0;
	total.failures += bad;
	if (bad)
		printf("# shared: %lu turns of %u threads, %u tokens, %u wrong\n", shared.turns,
		       shared.nr_in_turn, shared.tokens.count, bad);
}

static int round_of_threads(void *unused)
{
	green_t *movers[MOVERS];
	unsigned int i;

	(void)unused;
	memset(&shared, 0, sizeof(shared));
	shared.tokens.count = TOKENS;
	for (i = 0; i < opt.threads; i++) {
		jobs[i].nr = i;
		jobs[i].sum = 0;
		jobs[i].thread = green_go(work, &jobs[i]);
		if (!jobs[i].thread)
			return -ENOMEM;
	}
	moving = true;
	nr_moving = MOVERS;
	for (i = 0; i < MOVERS; i++)
		movers[i] = green_go(mover, (void *)(uintptr_t)(i + 1));
	green_sleep_ns(20000000);
	for (i = 0; i < opt.threads; i++)
		if (is_cancelled(&jobs[i]))
			green_cancel(jobs[i].thread);
	green_sleep_ns(5000000);
	moving = false;
	while (__atomic_load_n(&nr_moving, __ATOMIC_ACQUIRE))
		green_yield();
	for (i = 0; i < MOVERS; i++)
		green_join(movers[i]);
	for (i = 0; i < opt.threads; i++)
		jobs[i].status = green_join(jobs[i].thread);
	for (i = 0; i < opt.threads; i++)
		check(&jobs[i]);
	check_shared();
	return green_stats(&total.stats);
}

static uint64_t stolen, switches, segments;

static void table(void)
{
	uint64_t refused = 0;

	for (int i = 0; i < GREEN_NOMOVE_REASONS; i++)
		refused += total.refused[i];
	printf("# %-24s %12" PRIu64 "\n", "rounds", total.rounds);
	printf("# %-24s %12" PRIu64 "\n", "threads", total.rounds * opt.threads);
	printf("# %-24s %12" PRIu64 "\n", "switches", switches);
	printf("# %-24s %12" PRIu64 "\n", "changes of worker", stolen);
	printf("# %-24s %12" PRIu64 "\n", "moves by others", total.moved);
	printf("# %-24s %12" PRIu64 "\n", "refused", refused);
	for (int i = 0; i < GREEN_NOMOVE_REASONS; i++)
		if (total.refused[i])
			printf("#   %-22s %12" PRIu64 "\n", green_nomove_name(i),
			       total.refused[i]);
	printf("# %-24s %12" PRIu64 "\n", "segments", segments);
	printf("# %-24s %12" PRIu64 "\n", "cancelled", total.cancelled);
	printf("# %-24s %12" PRIu64 "\n", "failures", total.failures);
}

static int soak(void)
{
	struct green_options options = { .workers = opt.workers };
	uint64_t start = now(), told = start;

	do {
		int err = open_pipes() ?: green_run(&options, round_of_threads, NULL);

		close_pipes();
		if (err) {
			printf("# green_run: %s\n", strerror(-err));
			total.failures++;
		}
		total.rounds++;
		stolen += total.stats.stolen;
		switches += total.stats.switches;
		segments += total.stats.segments;
		if (opt.verbose && now() - told > 10000000000ull) {
			told = now();
			printf("# %3d s: %" PRIu64 " rounds, %" PRIu64 " moves, %" PRIu64
			       " failures\n", (int)((told - start) / 1000000000), total.rounds,
			       total.moved, total.failures);
			fflush(stdout);
		}
	} while (!total.failures && now() - start < opt.seconds * 1000000000ull);
	return total.failures || !total.moved || (opt.workers > 1 && !stolen);
}

int main(int argc, char **argv)
{
	int bad;

	if (argc > 1)
		opt.seconds = atoi(argv[1]);
	if (argc > 2)
		opt.workers = atoi(argv[2]);
	if (argc > 3)
		opt.threads = atoi(argv[3]);
	opt.verbose = argc > 1;
	jobs = calloc(opt.threads, sizeof(*jobs));
	if (!jobs)
		return 1;
	puts("TAP version 13\n1..1");
	bad = soak();
	table();
	printf("%sok 1 - %u workers, %u threads, stacks moved by others\n", bad ? "not " : "",
	       opt.workers, opt.threads);
	free(jobs);
	return bad;
}
