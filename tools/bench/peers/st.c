// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * state-threads, Debian's libst-dev, doing what green/ does with the same arguments;
 * but its stacks are of its own default size.
 */
#include <st.h>
#include <unistd.h>

#include "../bench.h"
#include "../listen.h"

#define MESSAGE 4096

static struct {
	const long *arg;
	long turns, woken;
	uint64_t ns;
	st_cond_t all, *turn;
} run;

static st_thread_t go(void *(*fn)(void *), long arg, int joinable)
{
	st_thread_t t = st_thread_create(fn, (void *)arg, joinable, 0);

	if (!t) {
		perror("st_thread_create");
		exit(1);
	}
	return t;
}

static void *nothing(void *arg)
{
	return arg;
}

static void *waits_once(void *arg)
{
	st_cond_wait(run.all);
	return arg;
}

/* It has no call to yield: the turn is passed on by a condition variable of each. */
static void pass_on(long nr)
{
	st_cond_signal(run.turn[(nr + 1) % run.arg[0]]);
}

static void __attribute__((noinline)) yields(long nr, long frames)
{
	if (frames > 1) {
		yields(nr, frames - 1);
	} else {
		pass_on(nr);
		st_cond_wait(run.turn[nr]);
	}
	__asm__ volatile("");
}

static void *takes_turns(void *arg)
{
	const long nr = (long)arg;
	uint64_t t0;
	long i;

	for (i = 0; i < 3; i++)
		yields(nr, run.arg[1]);
	t0 = nr ? 0 : cpu_ns();
	for (i = 0; i < run.turns; i++)
		yields(nr, run.arg[1]);
	if (!nr)
		run.ns = cpu_ns() - t0;
	/* The next one waits for its last turn. */
	pass_on(nr);
	return NULL;
}

static void start_all(st_thread_t *t, long threads, void *(*fn)(void *))
{
	for (long i = 0; i < threads; i++)
		t[i] = go(fn, i, 1);
}

static void join_all(st_thread_t *t, long threads)
{
	for (long i = 0; i < threads; i++)
		st_thread_join(t[i], NULL);
}

static int bench_yield(const long *arg)
{
	st_thread_t *t = calloc((size_t)arg[0], sizeof(*t));

	run.arg = arg;
	run.turns = arg[2] / arg[0] + 1;
	run.turn = calloc((size_t)arg[0], sizeof(*run.turn));
	for (long i = 0; i < arg[0]; i++)
		run.turn[i] = st_cond_new();
	start_all(t, arg[0], takes_turns);
	join_all(t, arg[0]);
	figure("ns", (double)run.ns / (double)(run.turns * arg[0]));
	return 0;
}

static int bench_spawn(const long *arg)
{
	uint64_t t0 = cpu_ns();

	for (long i = 0; i < arg[0]; i++)
		st_thread_join(go(nothing, i, 1), NULL);
	figure("ns", (double)(cpu_ns() - t0) / (double)arg[0]);
	return 0;
}

static int bench_alive(const long *arg)
{
	st_thread_t *t = calloc((size_t)arg[0], sizeof(*t));

	for (long i = 0; i < arg[1]; i++) {
		uint64_t t0 = cpu_ns();

		start_all(t, arg[0], waits_once);
		st_usleep(1);
		st_cond_broadcast(run.all);
		join_all(t, arg[0]);
		figure("ns", (double)(cpu_ns() - t0) / (double)arg[0]);
	}
	return 0;
}

static long __attribute__((noinline)) waits(long *up)
{
	long here = *up;

	st_cond_wait(run.all);
	return here;
}

static void *parked(void *arg)
{
	long local = (long)arg;

	run.woken += waits(&local);
	return NULL;
}

static void each(const char *name, size_t before)
{
	figure(name, (double)(memory() - before) / (double)run.arg[0]);
}

static int bench_parked(const long *arg)
{
	size_t before = memory();

	run.arg = arg;
	for (long i = 0; i < arg[0]; i++)
		go(parked, 1, 0);
	st_usleep(1);
	each("once", before);
	st_usleep((st_utime_t)arg[2] * 1000000);
	each("idle", before);
	_exit(0);
}

static void *sleeps(void *nr)
{
	for (long i = 0; i < run.arg[1]; i++)
		st_usleep(1000 * sleep_ms((unsigned long)nr, (unsigned long)i));
	return NULL;
}

static int bench_sleepers(const long *arg)
{
	st_thread_t *t = calloc((size_t)arg[0], sizeof(*t));
	uint64_t t0;

	run.arg = arg;
	start_all(t, arg[0], sleeps);
	t0 = cpu_ns();
	join_all(t, arg[0]);
	figure("ns", (double)(cpu_ns() - t0) / (double)(arg[0] * arg[1]));
	return 0;
}

static void *serves(void *arg)
{
	st_netfd_t fd = arg;
	char *buf = malloc(MESSAGE);
	ssize_t n;

	while ((n = st_read(fd, buf, MESSAGE, ST_UTIME_NO_TIMEOUT)) > 0 &&
	       st_write(fd, buf, (size_t)n, ST_UTIME_NO_TIMEOUT) == n)
		;
	free(buf);
	st_netfd_close(fd);
	return NULL;
}

static int bench_echo(const long *arg)
{
	st_netfd_t listener = st_netfd_open_socket(listen_on(arg[0])), fd;

	while ((fd = st_accept(listener, NULL, NULL, ST_UTIME_NO_TIMEOUT)))
		go(serves, (long)fd, 0);
	perror("st_accept");
	return 1;
}

int main(int argc, char **argv)
{
	static const struct bench benches[] = {
		{ "yield", bench_yield },
		{ "spawn", bench_spawn },
		{ "alive", bench_alive },
		{ "parked", bench_parked },
		{ "sleepers", bench_sleepers },
		{ "echo", bench_echo },
		{ NULL, NULL }
	};

	st_set_eventsys(ST_EVENTSYS_ALT);
	if (st_init()) {
		perror("st_init");
		return 1;
	}
	run.all = st_cond_new();
	return bench_main(benches, argc, argv);
}
