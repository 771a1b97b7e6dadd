/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * usage: ratelimit [clients [requests of each [a second [burst [workers]]]]]
 *
 * Many clients, and a service that takes so many requests a second and not more: what a
 * limiter lets through is a time for each, in order, under a mutex; who is early sleeps.
 * A burst may go ahead if there was quiet before. At the end it says how many were served,
 * and whether any was before its time.
 *
 *	greencc -O2 ratelimit.c libgreen.a -luring -o ratelimit
 */
#include <green_sync.h>
#include <stdio.h>
#include <stdlib.h>

#define SECOND 1000000000ull

struct limiter {
	struct green_mutex lock;	/* of next */
	uint64_t next;			/* when the next request is due, if there is no burst */
	uint64_t interval;
	unsigned int burst;
};

/* Until it is the caller's turn; 0, or -errno. */
static int limiter_wait(struct limiter *l)
{
	uint64_t now = green_now_ns(), mine;
	int err = green_mutex_lock(&l->lock);

	if (err)
		return err;
	if (l->next < now)
		l->next = now;
	mine = l->next - l->burst * l->interval;
	l->next += l->interval;
	green_mutex_unlock(&l->lock);
	return mine > now ? green_sleep_ns(mine - now) : 0;
}

static unsigned int clients = 8, requests = 25, rate = 1000, burst = 10;
static struct limiter limiter;
static struct green_mutex served_lock;
static uint64_t *served;		/* when each was */
static unsigned int nr_served;

static void serve(void)
{
	green_mutex_lock(&served_lock);
	served[nr_served++] = green_now_ns();
	green_mutex_unlock(&served_lock);
}

static long client(void *arg)
{
	unsigned int i;

	(void)arg;
	for (i = 0; i < requests; i++) {
		int err = limiter_wait(&limiter);

		if (err)
			return err;
		serve();
	}
	return i;
}

/* The i-th of all cannot be served before all but a burst of those in front have had their time. */
static unsigned int count_early(uint64_t begun)
{
	unsigned int early = 0;

	for (unsigned int i = burst; i < nr_served; i++)
		early += served[i] < begun + (i - burst) * limiter.interval;
	return early;
}

static int run(void *arg)
{
	GREEN_SCOPE;
	uint64_t begun = green_now_ns();
	struct green_group all;
	long *done = calloc(clients, sizeof(*done)), sum = 0, err;

	(void)arg;
	if (!done)
		return 1;
	green_defer(free, done);
	green_group_begin(&all);
	limiter.interval = SECOND / rate;
	limiter.burst = burst;
	for (unsigned int i = 0; i < clients; i++)
		green_group_go(&all, client, NULL, &done[i]);
	err = green_group_wait(&all);
	for (unsigned int i = 0; i < clients; i++)
		sum += done[i];
	printf("%ld requests of %u clients, %u before their time\n", sum, clients,
	       count_early(begun));
	return err != 0;
}

int main(int argc, char **argv)
{
	struct green_options opt = { .workers = 1 };
	unsigned int *const settings[] = { &clients, &requests, &rate, &burst, &opt.workers };
	int ret;

	for (int i = 1; i < argc && i < 6; i++)
		*settings[i - 1] = atoi(argv[i]);
	if (!rate)
		return 1;
	served = calloc((size_t)clients * requests, sizeof(*served));
	if (!served)
		return 1;
	ret = green_run(&opt, run, NULL);
	free(served);
	return ret != 0;
}
