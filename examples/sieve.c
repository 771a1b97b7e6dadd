/* SPDX-License-Identifier: MIT */
/*
 * The prime sieve: a thread for each prime passes on what it does not divide, through a
 * channel, to that of the next prime.
 *
 *	sieve [how many primes [workers]]
 */
#include <green_sync.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long wanted;

static void count(void *arg)
{
	green_chan_t *out = arg;

	for (int n = 2;; n++)
		green_chan_send(out, &n);
}

struct filter {
	green_chan_t *in, *out;
	int prime;
};

static void pass_on(void *arg)
{
	struct filter f = *(struct filter *)arg;
	int n;

	free(arg);
	while (green_chan_recv(f.in, &n) == 0)
		if (n % f.prime)
			green_chan_send(f.out, &n);
}

/* A thread between @in and the channel that this returns, or NULL: no memory. */
static green_chan_t *filter(green_chan_t *in, int prime)
{
	struct filter *f = malloc(sizeof(*f));
	green_chan_t *out = f ? green_chan_new(sizeof(int), 0) : NULL;
	green_t *t = NULL;

	if (out) {
		*f = (struct filter){ in, out, prime };
		/* From here on it is the thread's, which may have freed it already. */
		t = green_go(pass_on, f);
	}
	if (t) {
		green_detach(t);
		return out;
	}
	if (out)
		green_chan_free(out);
	free(f);
	return NULL;
}

/* The threads and the channels are given up when this returns. */
static int sieve(void *arg)
{
	green_chan_t *ch = green_chan_new(sizeof(int), 0);
	green_t *t = ch ? green_go(count, ch) : NULL;
	int prime;

	if (!t)
		return 1;
	green_detach(t);
	for (unsigned long i = 0; i < wanted; i++) {
		green_chan_recv(ch, &prime);
		printf("%d\n", prime);
		ch = filter(ch, prime);
		if (!ch)
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct green_options opt = {
		.stack_size = 4096,
		.workers = argc > 2 ? (unsigned int)atoi(argv[2]) : 1,
	};

	wanted = argc > 1 ? strtoul(argv[1], NULL, 0) : 100;
	return green_run(&opt, sieve, NULL) ? EXIT_FAILURE : EXIT_SUCCESS;
}
