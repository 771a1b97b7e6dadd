/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * usage: fanout [milliseconds [workers]]
 *
 * A question that goes out to shards, of which each has replicas: the first replica that
 * answers is enough for its shard, and the others are cancelled; at the deadline what has
 * come by then is the answer. Here each shard has one replica that works, the others hang;
 * and of one shard all hang.
 *
 * Groups in a group: nothing is to be freed, no thread is left, however this ends.
 *
 *	greencc -O2 fanout.c libgreen.a -luring -o fanout
 */
#include <green_sync.h>
#include <stdio.h>
#include <stdlib.h>

#define MILLISECOND	1000000ull
#define SHARDS		8
#define REPLICAS	3
#define DEAD		5

struct question {
	int shard, replica;
	struct green_group *race;	/* to be ended by who answers */
	long *answer;
};

static void hang(void)
{
	for (;;)
		green_sleep_ns(3600000 * MILLISECOND);
}

static long ask_replica(void *arg)
{
	const struct question *q = arg;

	if (q->shard == DEAD || q->replica != q->shard % REPLICAS)
		hang();
	green_sleep_ns(MILLISECOND);
	*q->answer = (long)q->shard * q->shard;
	green_group_cancel(q->race);
	return 0;
}

/* What the first of its replicas says, or -errno. */
static long ask_shard(void *arg)
{
	GREEN_SCOPE;
	struct question q[REPLICAS];
	struct green_group race;
	long answer = -1, err;

	green_group_begin(&race);
	for (int i = 0; i < REPLICAS; i++) {
		q[i] = (struct question){ *(int *)arg, i, &race, &answer };
		green_group_go(&race, ask_replica, &q[i], NULL);
	}
	err = green_group_wait(&race);
	/* Before the answer is read all have ended. */
	green_group_end(&race);
	return answer >= 0 ? answer : err;
}

static uint64_t patience = 300 * MILLISECOND;

static int ask(void *unused)
{
	GREEN_SCOPE;
	int shard[SHARDS], answered = 0;
	struct green_group all;
	long answer[SHARDS];

	(void)unused;
	green_group_begin(&all);
	green_group_deadline(&all, green_now_ns() + patience);
	for (int i = 0; i < SHARDS; i++) {
		shard[i] = i;
		answer[i] = -1;
		green_group_go(&all, ask_shard, &shard[i], &answer[i]);
	}
	green_group_wait(&all);
	for (int i = 0; i < SHARDS; i++) {
		answered += answer[i] >= 0;
		if (answer[i] >= 0)
			printf("%ld ", answer[i]);
		else
			printf("late ");
	}
	printf("(%d of %d shards)\n", answered, SHARDS);
	return 0;
}

int main(int argc, char **argv)
{
	struct green_options opt = { .workers = argc > 2 ? (unsigned int)atoi(argv[2]) : 1 };

	if (argc > 1)
		patience = (uint64_t)atoi(argv[1]) * MILLISECOND;
	return green_run(&opt, ask, NULL) != 0;
}
