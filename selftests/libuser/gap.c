// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Frames of code without tests that are larger than what is left of a stack: a touch
 * of their low end is a report, and no other thread's memory. Built by greencc.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <green.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alone.h"
#include "child.h"
#include "foreign.h"
#include "kselftest_harness.h"

#define NOINLINE __attribute__((noinline))
#define NEIGHBOURS 16
#define USUAL_GAP (512 << 10)

/* ---- overruns, in a child: they end it ---------------------------------- */

struct overrun {
	void (*fn)(void *);
	unsigned int bytes;
	struct green_attr attr;
	struct green_options opt;
};

static int over;

/* Stacks that are in use, on both sides of the victim's. */
static void neighbour(void *arg)
{
	volatile unsigned char mine[40000];

	memset((void *)mine, 1, sizeof(mine));
	while (!over)
		green_yield();
	for (unsigned int i = 0; i < sizeof(mine); i++)
		if (mine[i] != 1)
			*(int *)arg = 1;
}

static int among_neighbours(void *arg)
{
	struct overrun *o = arg;
	green_t *t[NEIGHBOURS], *victim = NULL;
	static int overwritten;

	for (int i = 0; i < NEIGHBOURS; i++) {
		if (i == NEIGHBOURS / 2)
			victim = green_go_opt(&o->attr, o->fn, &o->bytes);
		t[i] = green_go(neighbour, &overwritten);
	}
	green_join(victim);
	over = 1;
	for (int i = 0; i < NEIGHBOURS; i++)
		green_join(t[i]);
	return overwritten ? 3 : 0;
}

static int overruns(void *arg)
{
	struct overrun *o = arg;

	o->attr.name = "victim";
	o->opt.workers = 1;
	return green_run(&o->opt, among_neighbours, o);
}

/* Mapped code: 32 KiB are made free, and no more. */
static void NOINLINE mapped_start(void *arg)
{
	green_yield();
	foreign_low(*(unsigned int *)arg);
}

static void NOINLINE pinned_start(void *arg)
{
	green_pin();
	mapped_start(arg);
	green_unpin();
}

static void moved_start(void *arg)
{
	green_stack_move(green_self(), 0, NULL);
	green_stack_move(green_self(), 128 << 10, NULL);
	mapped_start(arg);
}

static void reports(struct __test_metadata *_metadata, void (*fn)(void *), size_t stack,
		    unsigned int room)
{
	for (unsigned int kb = 80; kb <= 400; kb += 40) {
		struct overrun o = { .fn = fn, .bytes = kb << 10,
				     .attr = { .stack_size = stack } };
		int status;

		/* What fits is no overrun. */
		if (kb << 10 <= room)
			continue;
		status = child(overruns, &o);
		EXPECT_TRUE(is_abort(status)) {
			TH_LOG("%u KB: status %x: %s", kb, status, said);
		}
		EXPECT_NE(NULL, strstr(said, "(victim): it overran its stack in foreign_low: ")) {
			TH_LOG("%u KB: %s", kb, said);
		}
	}
}

TEST(mapped_threads)
{
	reports(_metadata, mapped_start, 0, 0);
}

TEST(small_first_stacks)
{
	reports(_metadata, mapped_start, 1 << 10, 0);
	reports(_metadata, mapped_start, 32 << 10, 0);
}

TEST(segments)
{
	reports(_metadata, pinned_start, 1 << 10, 128 << 10);
	reports(_metadata, pinned_start, 16 << 10, 128 << 10);
}

TEST(after_moves)
{
	reports(_metadata, moved_start, 0, 128 << 10);
}

TEST(foreign_threads)
{
	reports(_metadata, foreign_low_start, 0, 256 << 10);
}

TEST(a_larger_gap_for_a_thread)
{
	struct overrun o = { .fn = mapped_start, .bytes = 6 << 20,
			     .attr = { .gap = 8 << 20 } };

	EXPECT_TRUE(WIFSIGNALED(child(overruns, &o)));
	EXPECT_NE(NULL, strstr(said, "it overran its stack in foreign_low: "));
}

TEST(a_larger_gap_for_all)
{
	struct overrun o = { .fn = foreign_low_start, .bytes = 3 << 20,
			     .opt = { .gap = 4 << 20 } };

	EXPECT_TRUE(WIFSIGNALED(child(overruns, &o)));
	EXPECT_NE(NULL, strstr(said, "it overran its stack in foreign_low: "));
}

/* There is no larger stack to go to: the gap is below the small one then. */
TEST(the_largest_stack_is_small)
{
	struct overrun o = { .fn = mapped_start, .bytes = 300 << 10,
			     .attr = { .stack_size = 32 << 10 },
			     .opt = { .max_stack = 64 << 10 } };

	EXPECT_TRUE(WIFSIGNALED(child(overruns, &o)));
	EXPECT_NE(NULL, strstr(said, "it overran its stack in foreign_low: ")) {
		TH_LOG("%s", said);
	}
}

/* ---- how far it reaches -------------------------------------------------- */

static int null_pipe[2];

/* Whether the kernel can read there. */
static int is_sealed(uintptr_t addr)
{
	char c;

	if (write(null_pipe[1], (void *)addr, 1) == 1)
		return read(null_pipe[0], &c, 1) != 1;
	return errno == EFAULT;
}

/* Bytes below @lo, in pages of which each is sealed; @most at most. */
static size_t gap_below(uintptr_t lo, size_t most)
{
	size_t n = 0;

	while (n < most && is_sealed(lo - n - 4096))
		n += 4096;
	return n;
}

struct gaps {
	struct green_attr attr;
	void (*fn)(void *);
	uintptr_t lo;
	int measured;
	size_t gap;
};

static void tells(void *arg)
{
	struct green_stack_info info;
	struct gaps *g = arg;

	green_stack_info(green_self(), &info);
	g->lo = info.lo;
	while (!g->measured)
		green_yield();
}

/* The stack that foreign code gets when mapped code calls it. */
static void tells_called(void *arg)
{
	struct green_stack_info info;
	struct gaps *g = arg;
	unsigned long sp = foreign_sp();

	green_stack_info(green_self(), &info);
	g->lo = sp > info.lo && sp < info.hi ? info.lo : 0;
	while (!g->measured)
		green_yield();
}

static int measure(void *arg)
{
	struct gaps *g = arg, next = *g;
	green_t *t, *u;

	/* Another one follows, so that what is below a gap is in use. */
	t = green_go_opt(&g->attr, g->fn, g);
	u = green_go_opt(&g->attr, g->fn, &next);
	green_yield();
	green_yield();
	g->gap = g->lo ? gap_below(g->lo, 16 << 20) : 1;
	g->measured = next.measured = 1;
	green_join(t);
	return green_join(u);
}

static size_t gap_of(const struct green_options *opt, const struct gaps *which)
{
	struct gaps g = *which;

	return green_run(opt, measure, &g) ? 2 : g.gap;
}

TEST(as_large_as_asked_for)
{
	struct green_options wide = { ALONE, .gap = (1 << 20) - 5 }, one = { ALONE, .gap = 1 };

	ASSERT_EQ(0, pipe(null_pipe));
	EXPECT_LE(USUAL_GAP, gap_of(&alone, &(struct gaps){ .fn = tells }));
	EXPECT_LE(USUAL_GAP, gap_of(&alone, &(struct gaps){ .fn = tells_called }));
	for (size_t size = 1 << 10; size < 1 << 20; size *= 2) {
		struct gaps g = { .attr = { .stack_size = size }, .fn = tells_called };

		EXPECT_LE(USUAL_GAP, gap_of(&alone, &g));
	}
	EXPECT_LE(1 << 20, gap_of(&wide, &(struct gaps){ .fn = tells }));
	EXPECT_EQ(4096, gap_of(&one, &(struct gaps){ .fn = tells }));
	EXPECT_EQ(4096, gap_of(&alone, &(struct gaps){ .attr.gap = 1, .fn = tells }));
	EXPECT_LE(2 << 20, gap_of(&one, &(struct gaps){ .attr.gap = 2 << 20, .fn = tells }));
	/* Only code that tests runs on one that is smaller than 64 KiB. */
	EXPECT_EQ(4096, gap_of(&alone, &(struct gaps){ .attr.stack_size = 32 << 10,
					     .fn = tells }));
}

static void nothing(void *arg)
{
}

static int starts_with(void *attr)
{
	green_t *t = green_go_opt(attr, nothing, NULL);

	return t ? green_join(t) + 1 : 0;
}

TEST(beyond_all_bounds)
{
	struct green_options opt = { .gap = (size_t)2 << 30 };

	EXPECT_EQ(-EINVAL, green_run(&opt, measure, NULL));
	opt.gap = SIZE_MAX;
	EXPECT_EQ(-EINVAL, green_run(&opt, measure, NULL));
	EXPECT_EQ(0, green_run(&alone, starts_with, &(struct green_attr){ .gap = SIZE_MAX }));
}

/* ---- deferred calls ------------------------------------------------------- */

static unsigned long room[3];

/* Functions that call nothing but the runtime: a stack of 1 KiB will do. */
static void NOINLINE scope(void *arg)
{
	GREEN_SCOPE;
	green_defer(foreign_room, arg);
}

static void exits(void *arg)
{
	GREEN_SCOPE;
	green_defer(foreign_room, arg);
	green_exit();
}

static void NOINLINE panics(void *arg)
{
	GREEN_SCOPE;
	green_defer(foreign_room, arg);
	green_panic("on purpose");
}

static void tries(void *arg)
{
	green_try(panics, arg);
}

static int start_small(void *arg)
{
	static const struct green_attr attr = { .stack_size = 1 << 10 };
	void (*const fn[])(void *) = { scope, exits, tries };

	for (int i = 0; i < 3; i++)
		if (green_join(green_go_opt(&attr, fn[i], &room[i])))
			return 1;
	return 0;
}

TEST(foreign_functions_that_were_deferred)
{
	EXPECT_EQ(0, green_run(&alone, start_small, NULL));
	for (int i = 0; i < 3; i++)
		EXPECT_LE(32 << 10, room[i]);
}

/* ---- slots serve again --------------------------------------------------- */

/* 64 MiB of arena, and 2,000 threads of each kind in turn. */
static int all_kinds(void *arg)
{
	static const struct green_attr kinds[] = {
		{ .gap = 1 }, { .gap = 1 << 20 }, { .gap = 0 }, { .gap = 3 << 20 },
		{ .stack_size = 32 << 10 },
	};
	green_t *t[5];

	for (int i = 0; i < 2000; i++) {
		for (int k = 0; k < 5; k++)
			t[k] = green_go_opt(&kinds[(k + i) % 5], nothing, NULL);
		for (int k = 0; k < 5; k++)
			if (!t[k] || green_join(t[k]))
				return 1;
	}
	return 0;
}

TEST(slots_of_all_gaps_serve_again)
{
	struct green_options opt = { ALONE, .arena_size = 64 << 20 };

	EXPECT_EQ(0, green_run(&opt, all_kinds, NULL));
}

TEST_HARNESS_MAIN
