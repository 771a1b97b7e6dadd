// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Channels under all that can happen at once: threads send, receive, try and select at
 * random, with deadlines that pass, are cancelled and moved meanwhile, and channels are
 * closed and new ones take their place. Each value is counted: what was sent is received,
 * once, and what was not is not.
 *
 * usage: chans [seconds [workers]]: goes on for so long (by itself: 100 rounds)
 */
#include <errno.h>
#include <green_sync.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "waits.h"

#define CHANNELS 6
#define THREADS 40
#define STEPS 300
#define VALUES (THREADS * STEPS * 2)

/* What was sent: who wrote it, and enough of it to see whether it is whole. */
struct value {
	long id;
	long more[3];
};

static green_chan_t *ch[CHANNELS];
static bool closing;
/* Of each value: 1 it was sent, 2 it was received; more: 16 for each time. */
static unsigned char seen[VALUES];
static long next_id;
static struct {
	long sent, received, timeouts, closed, cancelled, moved, refused;
} count;

static void add(long *what)
{
	__atomic_add_fetch(what, 1, __ATOMIC_RELAXED);
}

static unsigned int random_of(unsigned int *seed, unsigned int n)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % n;
}

static void was(const struct value *v, unsigned int what)
{
	unsigned int before;

	if (v->id < 0 || v->id >= VALUES || v->more[0] != v->id || v->more[2] != ~v->id) {
		wrong(__LINE__, "a value is whole");
		return;
	}
	before = __atomic_fetch_or(&seen[v->id], what, __ATOMIC_RELAXED);
	if (before & what)
		wrong(__LINE__, "once");
	add(what == 1 ? &count.sent : &count.received);
}

static struct value fresh(void)
{
	long id = __atomic_fetch_add(&next_id, 1, __ATOMIC_RELAXED);

	return (struct value){ id, { id, 0, ~id } };
}

/* What a call says that has, or has not, sent or received @v. */
static void settle(int ret, const struct value *v, unsigned int what)
{
	if (ret == 0)
		was(v, what);
	else if (ret == -ETIMEDOUT || ret == -EAGAIN)
		add(&count.timeouts);
	else if (ret == -EPIPE && __atomic_load_n(&closing, __ATOMIC_RELAXED))
		add(&count.closed);
	else
		wrong(__LINE__, "an error is one that can be");
}

static void select_some(unsigned int *seed, bool try)
{
	struct value out[3], in[3];
	struct green_case cases[6];
	unsigned int nr = 1 + random_of(seed, 6), i;
	int chosen, result;

	for (i = 0; i < nr; i++) {
		green_chan_t *c = ch[random_of(seed, CHANNELS)];

		if (i % 2) {
			cases[i] = (struct green_case)GREEN_RECV(c, &in[i / 2]);
		} else {
			out[i / 2] = fresh();
			cases[i] = (struct green_case)GREEN_SEND(c, &out[i / 2]);
		}
	}
	chosen = try ? green_try_select(cases, nr) : green_select(cases, nr);
	result = chosen < 0 ? chosen : cases[chosen].result;
	i = chosen < 0 ? 0 : chosen;
	settle(result, i % 2 ? &in[i / 2] : &out[i / 2], i % 2 ? 2 : 1);
}

static void step(unsigned int *seed)
{
	struct value v;
	green_chan_t *c = ch[random_of(seed, CHANNELS)];

	if (next_id > VALUES - THREADS * 4)
		return;
	green_deadline(random_of(seed, 4) ? 0 : green_now_ns() + random_of(seed, 20000));
	switch (random_of(seed, 8)) {
	case 0:
	case 1:
		v = fresh();
		settle(green_chan_send(c, &v), &v, 1);
		break;
	case 2:
	case 3:
		settle(green_chan_recv(c, &v), &v, 2);
		break;
	case 4:
		v = fresh();
		settle(green_chan_try_send(c, &v), &v, 1);
		break;
	case 5:
		settle(green_chan_try_recv(c, &v), &v, 2);
		break;
	default:
		select_some(seed, random_of(seed, 4) == 0);
	}
	green_deadline(0);
	if (random_of(seed, 16) == 0)
		green_yield();
}

static int alive;

static void ends(void)
{
	__atomic_sub_fetch(&alive, 1, __ATOMIC_RELEASE);
}

static void goes_on(void *arg)
{
	unsigned int seed = (uintptr_t)arg;

	GREEN_SCOPE;
	green_defer(ends);
	for (int i = 0; i < STEPS && !__atomic_load_n(&closing, __ATOMIC_RELAXED); i++)
		step(&seed);
}

/* Half of what others do goes wrong in the middle. */
static void disturb(green_t **t, unsigned int *seed)
{
	unsigned int i = random_of(seed, THREADS);
	struct green_nomove why;

	switch (random_of(seed, 3)) {
	case 0:
		if (random_of(seed, 5) == 0 && green_cancel(t[i]) == 0)
			add(&count.cancelled);
		break;
	case 1:
		add(green_stack_move(t[i], 0, &why) == 0 ? &count.moved : &count.refused);
		break;
	default:
		green_sleep_ns(random_of(seed, 30000));
	}
	green_yield();
}

static int round_of(unsigned int *seed)
{
	static const size_t capacity[CHANNELS] = { 0, 0, 1, 2, 16, 100 };
	green_t *t[THREADS];
	struct value v;
	int bad = 0;

	memset(seen, 0, sizeof(seen));
	next_id = 0;
	alive = THREADS;
	__atomic_store_n(&closing, false, __ATOMIC_RELAXED);
	for (int i = 0; i < CHANNELS; i++)
		ch[i] = green_chan_new(sizeof(v), capacity[i]);
	for (uintptr_t i = 0; i < THREADS; i++)
		t[i] = green_go(goes_on, (void *)(uintptr_t)random_of(seed, 1 << 15));
	/* Until most have done their part, as long as any does something. */
	for (int i = 0; i < 2000 && __atomic_load_n(&alive, __ATOMIC_ACQUIRE) > THREADS / 2; i++)
		disturb(t, seed);
	__atomic_store_n(&closing, true, __ATOMIC_RELAXED);
	for (int i = 0; i < CHANNELS; i++)
		CHECK(green_chan_close(ch[i]) == 0);
	for (int i = 0; i < THREADS; i++) {
		int ret = green_join(t[i]);

		CHECK(ret == 0 || ret == -ECANCELED);
	}
	CHECK(alive == 0);
	for (int i = 0; i < CHANNELS; i++) {
		while (green_chan_recv(ch[i], &v) == 0)
			was(&v, 2);
		CHECK(green_chan_free(ch[i]) == 0);
	}
	for (int i = 0; i < VALUES; i++)
		bad += seen[i] == 1 || seen[i] == 2;
	if (bad)
		fprintf(stderr, "# %d values are lost, or were never sent\n", bad);
	return bad;
}

static unsigned long seconds;

static int rounds(void *arg)
{
	uint64_t until = green_now_ns() + seconds * 1000000000;
	unsigned int seed = *(const unsigned int *)arg;
	int bad = 0, i = 0;

	do
		bad += round_of(&seed);
	while (++i < 100 || green_now_ns() < until);
	return bad;
}

int main(int argc, char **argv)
{
	unsigned int workers, first = 1, last = 4;
	int bad = 0;

	seconds = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	if (argc > 2)
		first = last = strtoul(argv[2], NULL, 0);
	printf("TAP version 13\n1..%u\n", argc > 2 ? 1 : 3);
	for (workers = first; workers <= last; workers *= 2) {
		int ret = run_with(workers, rounds, &workers);

		printf("# sent %ld received %ld timed out %ld closed %ld cancelled %ld moved %ld refused %ld\n",
		       count.sent, count.received, count.timeouts, count.closed,
		       count.cancelled, count.moved, count.refused);
		/* All of it has happened. */
		ret += count.sent != count.received || !count.sent || !count.timeouts ||
		       !count.closed || !count.cancelled || !count.moved;
		memset(&count, 0, sizeof(count));
		printf("%s %u with %u workers: each value that was sent is received, once\n",
		       ret ? "not ok" : "ok", argc > 2 ? 1 : workers == 4 ? 3 : workers, workers);
		bad |= ret;
	}
	return !!bad;
}
