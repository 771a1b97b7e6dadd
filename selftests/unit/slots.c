// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Slots: their sizes, who has which, and in which order free ones come again. */
#include <stdlib.h>
#include <string.h>

#include "base/runtime.h"
#include "base/worker.h"
#include "memory/arena.h"
#include "memory/free_slots.h"
#include "memory/sizes.h"
#include "memory/slot.h"

#include "kselftest_harness.h"
#include "aborts.h"
#include "random.h"

#define NO_LIMIT	UINTPTR_MAX

/* What is above the limit. */
static size_t room_of(unsigned int size)
{
	size_t usable = green_sizes[size].bytes - (size < GREEN_PACKED ? 0 : GREEN_PAGE);

	return usable - green_sizes[size].slack;
}

TEST(the_least_size_with_enough_room)
{
	for (unsigned int i = 0; i < GREEN_SIZES; i++) {
		ASSERT_TRUE(!i || green_sizes[i].bytes == 2 * green_sizes[i - 1].bytes);
		for (int more = -1; more <= 1; more++) {
			size_t room = room_of(i) + more, bytes = green_bytes_for(room);
			unsigned int k = 0;

			while (k < GREEN_SIZES && room_of(k) < room)
				k++;
			EXPECT_EQ(k < GREEN_SIZES ? green_sizes[k].bytes : 2 * GREEN_LARGEST_STACK, bytes);
		}
	}
	EXPECT_EQ(GREEN_LARGEST_STACK, green_sizes[GREEN_SIZES - 1].bytes);
}

/* ---- free ones ---------------------------------------------------------------- */

#define FREE	300

/* The oldest, or the oldest of the highest, as a search through all finds it. */
static struct green_free *search(struct green_free *f, const bool *in, size_t gap,
				 uintptr_t below, unsigned int among)
{
	bool seen[FREE] = { false };
	struct green_free *best = NULL;

	while (among--) {
		struct green_free *next = NULL;

		for (int i = 0; i < FREE; i++)
			if (in[i] && !seen[i] && f[i].slot.gap >= gap && f[i].slot.hi <= below &&
			    (!next || (below == NO_LIMIT ? f[i].age < next->age :
						       f[i].slot.hi > next->slot.hi)))
				next = &f[i];
		if (!next)
			break;
		seen[next - f] = true;
		if (!best || next->age < best->age)
			best = next;
	}
	return best;
}

TEST(free_slots_by_age_and_by_address)
{
	struct green_free *f = calloc(FREE, sizeof(*f));
	struct green_free_list list;
	bool in[FREE] = { false };
	struct random r = { 1 };
	unsigned int nr = 0, found = 0;

	green_free_init(&list);
	for (int i = 0; i < FREE; i++) {
		f[i].slot.hi = (i + 2) * 0x10000;
		f[i].slot.gap = 0x1000;
	}
	for (int step = 0; step < 20000; step++) {
		unsigned int i = random_below(&r, FREE), among = 1 + random_below(&r, 4);
		uintptr_t below = random_below(&r, FREE + 4) * 0x10000 + random_below(&r, 2);
		struct green_free *want;
		struct green_slot *got;

		if (random_below(&r, 2)) {
			if (!in[i]) {
				green_free_put(&list, &f[i].slot);
				in[i] = true;
				nr++;
			}
			continue;
		}
		if (random_below(&r, 2)) {
			want = search(f, in, 0, NO_LIMIT, 1);
			got = green_free_oldest(&list, 0);
		} else {
			want = search(f, in, 0, below, among);
			got = green_free_highest(&list, 0, below, among);
		}
		ASSERT_EQ(want ? &want->slot : NULL, got);
		if (got) {
			in[want - f] = false;
			nr--;
			found++;
		}
		ASSERT_EQ(nr, list.nr);
	}
	EXPECT_LT(1000, found);
	/* One with a gap that is too small is passed over. */
	while (green_free_oldest(&list, 0))
		;
	f[1].slot.gap = 0x4000;
	green_free_put(&list, &f[0].slot);
	green_free_put(&list, &f[1].slot);
	EXPECT_EQ(&f[1].slot, green_free_oldest(&list, 0x2000));
	EXPECT_EQ(NULL, green_free_oldest(&list, 0x2000));
	EXPECT_EQ(NULL, green_free_highest(&list, 0x2000, NO_LIMIT, 1));
	EXPECT_EQ(&f[0].slot, green_free_oldest(&list, 0x1000));
	free(f);
}

/* ---- of an arena ---------------------------------------------------------------- */

FIXTURE(slots)
{
	size_t gap;
};

FIXTURE_SETUP(slots)
{
	self->gap = 64UL << 10;
	green_rt.opt = (struct green_options){
		.workers = 1, .arena_size = 512UL << 20, .gap = self->gap,
		.max_stack = 64UL << 20,
	};
	green_rt.debug.user_backend = true;
	green_rt.nr_workers = 1;
	green_rt.worker = calloc(1, sizeof(*green_rt.worker));
	green_worker = green_rt.worker;
	ASSERT_EQ(0, green_arena_init());
	green_stacks_init();
}

FIXTURE_TEARDOWN(slots)
{
	green_stacks_exit();
	green_arena_exit();
	free(green_rt.worker);
}

static bool apart(const struct green_slot *a, const struct green_slot *b)
{
	return a->hi <= b->lo - b->gap || b->hi <= a->lo - a->gap;
}

#define LIVE	120

TEST_F(slots, no_two_threads_have_the_same)
{
	struct green_slot *live[LIVE] = { NULL };
	struct random r = { 1 };

	for (int step = 0; step < 6000; step++) {
		unsigned int i = random_below(&r, LIVE), k;
		size_t bytes = 1 + random_below(&r, 1 << (10 + random_below(&r, 9)));
		size_t gap = random_below(&r, 2) ? self->gap : GREEN_PAGE << random_below(&r, 7);
		enum green_slot_kind kind = random_below(&r, 3);
		uintptr_t below = NO_LIMIT;
		struct green_slot *s = live[i];

		if (s) {
			if (random_below(&r, 2))
				green_slot_put(s);
			else
				green_slot_put_segment(s);
			live[i] = NULL;
			continue;
		}
		k = random_below(&r, LIVE);
		if (kind == SLOT_GUARDED && live[k] && random_below(&r, 2))
			below = live[k]->lo - live[k]->gap;
		s = green_slot_get(bytes, kind, gap, below);
		ASSERT_NE(NULL, s);
		ASSERT_LE(bytes, green_slot_bytes(s));
		ASSERT_LE(s->hi, below);
		ASSERT_EQ(green_slot_bytes(s) - (s->slab ? 0 : GREEN_PAGE), s->hi - s->lo);
		ASSERT_TRUE(s->slab ? kind == SLOT_ANY : s->gap >= gap);
		for (k = 0; k < LIVE; k++)
			ASSERT_TRUE(!live[k] || apart(s, live[k]));
		/* All of it is there. */
		*(volatile char *)s->lo = *(volatile char *)(s->hi - 1) = step;
		live[i] = s;
	}
	for (int i = 0; i < LIVE; i++)
		if (live[i])
			green_slot_put(live[i]);
}

static void touch(void *addr)
{
	*(volatile char *)addr = 1;
}

static bool faults(uintptr_t addr)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid) {
		touch((void *)addr);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGSEGV;
}

TEST_F(slots, the_gap_is_sealed_and_what_is_put_back_is_gone)
{
	struct green_slot *s = green_slot_get(64 << 10, SLOT_GUARDED, self->gap, NO_LIMIT);
	struct green_slot *large = green_slot_get(32 << 20, SLOT_GUARDED, self->gap, NO_LIMIT);
	uintptr_t lo;

	ASSERT_NE(NULL, s);
	ASSERT_NE(NULL, large);
	EXPECT_FALSE(faults(s->lo));
	EXPECT_TRUE(faults(s->lo - 1));
	EXPECT_TRUE(faults(s->lo - self->gap));
	/* Of that size none is kept warm. */
	lo = large->lo;
	EXPECT_FALSE(faults(lo));
	green_slot_put(large);
	EXPECT_TRUE(faults(lo));
	EXPECT_EQ(large, green_slot_get(32 << 20, SLOT_GUARDED, self->gap, NO_LIMIT));
	EXPECT_FALSE(faults(lo));
}

TEST_F(slots, a_workers_cache_is_last_in_first_out)
{
	struct green_slot *s[3];
	int i;

	for (i = 0; i < 3; i++)
		s[i] = green_slot_get(16 << 10, SLOT_ANY, self->gap, NO_LIMIT);
	for (i = 0; i < 3; i++)
		green_slot_put(s[i]);
	for (i = 3; i--;)
		EXPECT_EQ(s[i], green_slot_get(16 << 10, SLOT_ANY, self->gap, NO_LIMIT));
}

/* More than a worker's cache has. */
#define BURST	200

static unsigned int get_burst(struct green_slot **s, size_t gap)
{
	unsigned int marked = 0;

	for (int i = 0; i < BURST; i++) {
		s[i] = green_slot_get(64 << 10, SLOT_ANY, gap, NO_LIMIT);
		marked += *(const uint64_t *)(s[i]->hi - 8) != 0;
		*(uint64_t *)(s[i]->hi - 8) = 1;
	}
	return marked;
}

static void put_burst(struct green_slot **s)
{
	for (int i = 0; i < BURST; i++)
		green_slot_put(s[i]);
}

TEST_F(slots, a_burst_finds_the_pages_of_the_last_one)
{
	struct green_slot *s[BURST];

	EXPECT_EQ(0, get_burst(s, self->gap));
	put_burst(s);
	EXPECT_EQ(BURST, get_burst(s, self->gap));
	put_burst(s);
	/* Not even after a pass. */
	green_slots_age();
	EXPECT_FALSE(green_slots_give_back(BURST));
	EXPECT_EQ(BURST, get_burst(s, self->gap));
	put_burst(s);
}

TEST_F(slots, pages_that_two_passes_have_not_needed_go)
{
	struct green_slot *s[BURST];

	get_burst(s, self->gap);
	put_burst(s);
	green_slots_age();
	green_slots_age();
	EXPECT_TRUE(green_slots_give_back(10));
	EXPECT_FALSE(green_slots_give_back(BURST));
	/* But those of a worker's cache. */
	EXPECT_GE(32, get_burst(s, self->gap));
	put_burst(s);
}

/* What is there for bursts must not be lacking where a segment looks for it. */
TEST_F(slots, the_pile_is_all_there_is_when_the_arena_is_full)
{
	static struct green_slot *s[10000];
	struct green_slot *below;
	int n = 0;

	while (n < 10000 && (s[n] = green_slot_get(64 << 10, SLOT_GUARDED, self->gap, NO_LIMIT)))
		n++;
	ASSERT_LT(100, n);
	ASSERT_GT(10000, n);
	for (int i = 0; i < n; i++)
		green_slot_put(s[i]);
	below = green_slot_get(64 << 10, SLOT_GUARDED, self->gap, s[n / 2]->lo);
	ASSERT_NE(NULL, below);
	EXPECT_LE(below->hi, s[n / 2]->lo);
}

/* So that an address that was missed meets a sealed page for as long as can be. */
TEST_F(slots, what_was_left_first_is_used_first)
{
	static const unsigned int order[] = { 2, 0, 3, 1 };
	struct green_slot *s[4];
	int i;

	for (i = 0; i < 4; i++)
		s[i] = green_slot_get(32UL << 20, SLOT_COLD, self->gap, NO_LIMIT);
	for (i = 0; i < 4; i++)
		green_slot_put(s[order[i]]);
	for (i = 0; i < 4; i++)
		EXPECT_EQ(s[order[i]], green_slot_get(32UL << 20, SLOT_COLD, self->gap, NO_LIMIT));
}

TEST_F(slots, a_segment_finds_the_highest_below_it)
{
	struct green_slot *s[8];
	int i;

	for (i = 0; i < 8; i++)
		s[i] = green_slot_get(64 << 10, SLOT_GUARDED, self->gap, NO_LIMIT);
	for (i = 0; i < 8; i++)
		green_slot_put_segment(s[i]);
	/* What is cut later lies lower. */
	EXPECT_EQ(s[3], green_slot_get(64 << 10, SLOT_GUARDED, self->gap, s[3]->hi));
	EXPECT_EQ(s[4], green_slot_get(64 << 10, SLOT_GUARDED, self->gap, s[3]->hi));
	EXPECT_EQ(s[5], green_slot_get(64 << 10, SLOT_GUARDED, self->gap, s[4]->hi - 1));
	EXPECT_EQ(s[0], green_slot_get(64 << 10, SLOT_GUARDED, self->gap, NO_LIMIT));
}

TEST_F(slots, slabs_are_filled_before_new_ones_are_cut)
{
	struct green_slot *s[200], *again;
	uintptr_t lowest = NO_LIMIT;
	int i, k;

	for (i = 0; i < 200; i++) {
		s[i] = green_slot_get(1024, SLOT_ANY, self->gap, NO_LIMIT);
		ASSERT_NE(NULL, s[i]);
		ASSERT_NE(NULL, s[i]->slab);
		lowest = s[i]->lo < lowest ? s[i]->lo : lowest;
		memset((void *)s[i]->lo, i, 1024);
	}
	/* Packed, and nobody writes into another's. */
	for (i = 0; i < 200; i++)
		for (k = 0; k < 1024; k += 8)
			ASSERT_EQ((unsigned char)i, *(unsigned char *)(s[i]->lo + k));
	for (i = 0; i < 200; i++)
		green_slot_put(s[i]);
	for (i = 0; i < 200; i++) {
		again = green_slot_get(1024, SLOT_ANY, self->gap, NO_LIMIT);
		ASSERT_LE(lowest & ~0xffffUL, again->lo);
	}
}

TEST_F(slots, beyond_the_largest_there_is_none)
{
	EXPECT_EQ(NULL, green_slot_get((64UL << 20) + 1, SLOT_ANY, self->gap, NO_LIMIT));
	/* ... nor is there more than the arena has. */
	for (int i = 0; i < 8; i++)
		green_slot_get(64UL << 20, SLOT_ANY, self->gap, NO_LIMIT);
	EXPECT_EQ(NULL, green_slot_get(64UL << 20, SLOT_ANY, self->gap, NO_LIMIT));
	EXPECT_NE(NULL, green_arena_why());
}

static void put_once(void *slot)
{
	green_slot_put(slot);
}

static void put_twice(void *slot)
{
	green_slot_put(slot);
	green_slot_put(slot);
}

static void put_both_ways(void *slot)
{
	green_slot_put_segment(slot);
	green_slot_put(slot);
}

TEST_F(slots, assertions_notice)
{
	EXPECT_TRUE(aborts(put_twice, green_slot_get(64 << 10, SLOT_ANY, self->gap, NO_LIMIT)));
	EXPECT_TRUE(aborts(put_twice, green_slot_get(1024, SLOT_ANY, self->gap, NO_LIMIT)));
	EXPECT_TRUE(aborts(put_both_ways, green_slot_get(64 << 10, SLOT_ANY, self->gap, NO_LIMIT)));
	EXPECT_FALSE(aborts(put_once,
			    green_slot_get(1024, SLOT_ANY, self->gap, NO_LIMIT)));
}

TEST_HARNESS_MAIN
