// SPDX-License-Identifier: GPL-2.0
/*
 * What MOVE and RELEASE do to pages, and what may go on meanwhile.
 */
#include <pthread.h>
#include <time.h>

#include <kselftest_harness.h>

#include "kmod_test.h"

#define ARENA_PAGES	2048
#define MAX_PAGES	256
#define MAX_MOVES	64
#define LONG		120	/* seconds that the slowest machine may need */

FIXTURE(move)
{
	int fd;
	char *mem;
};

FIXTURE_SETUP(move)
{
	OPEN_OR_SKIP(self->fd);
	self->mem = arena_map(self->fd, ARENA_PAGES);
	ASSERT_NE(MAP_FAILED, self->mem);
}

FIXTURE_TEARDOWN(move)
{
	munmap(self->mem, ARENA_PAGES * PAGE);
	close(self->fd);
}

static char *at(char *mem, size_t page)
{
	return mem + page * PAGE;
}

TEST_F(move, contents_arrive)
{
	size_t n;

	/* From page 300, so that larger sizes cross the leaf at page 512. */
	for (n = 1; n <= MAX_PAGES; n += n < 16 ? 1 : 15) {
		char *src = at(self->mem, 300), *dst = at(self->mem, 900);

		ASSERT_EQ(0, release(self->fd, self->mem, ARENA_PAGES, 0));
		pattern_fill(src, n * PAGE, n);
		ASSERT_EQ(0, move_pages(self->fd, src, dst, n));
		ASSERT_TRUE(pattern_holds(dst, n * PAGE, n));
		ASSERT_EQ(n, query(self->fd).pages);
		ASSERT_EQ(SIGSEGV, touch(src));
		ASSERT_EQ(SIGSEGV, touch(src + n * PAGE - 1));
		ASSERT_EQ(0, touch(src + n * PAGE));
	}
}

TEST_F(move, words_are_relocated)
{
	static uint32_t relocs[MAX_PAGES * PAGE / 8];
	char *src = at(self->mem, 3), *dst = at(self->mem, 1021);
	const size_t n = 8, words = n * PAGE / 8;
	struct green_move_elem elem = move_elem(src, dst, n);
	uint64_t *word = (uint64_t *)src;
	size_t i;

	/* Every third word points into the range, its end included. */
	for (i = 0; i < words; i++)
		word[i] = i % 3 ? i : (uintptr_t)(src + n * PAGE - i * 8);
	for (i = 0; i < words; i += 3)
		relocs[elem.nr_relocs++] = i;
	elem.relocs = (uintptr_t)relocs;
	elem.delta = dst - src;

	ASSERT_EQ(0, move_vec(self->fd, &elem, 1));
	word = (uint64_t *)dst;
	for (i = 0; i < words; i++)
		ASSERT_EQ(i % 3 ? i : (uintptr_t)(dst + n * PAGE - i * 8),
			  word[i]);

	/* And back, by a negative delta, the most relocations there are. */
	elem = move_elem(dst, src, n);
	elem.delta = src - dst;
	ASSERT_EQ(0, move_vec(self->fd, &elem, 1));
	ASSERT_EQ(0, release(self->fd, src, n, 0));
	elem = move_elem(src, at(self->mem, 1500), 128);
	for (i = 0; i < 65536; i++) {
		((uint64_t *)src)[i] = (uintptr_t)src;
		relocs[i] = i;
	}
	elem.relocs = (uintptr_t)relocs;
	elem.nr_relocs = 65536;
	elem.delta = -(int64_t)(uintptr_t)src;
	ASSERT_EQ(0, move_vec(self->fd, &elem, 1));
	EXPECT_TRUE(all_zero(at(self->mem, 1500), 128 * PAGE));
}

TEST_F(move, source_is_sealed)
{
	char *src = at(self->mem, 1), *dst = at(self->mem, 9);

	*src = 1;
	ASSERT_EQ(0, move_pages(self->fd, src, dst, 1));
	EXPECT_EQ(SIGSEGV, touch(src));
	EXPECT_TRUE(is_sealed(src));
	EXPECT_EQ(1, *dst);

	/* A sealed page can be a destination, and can be emptied. */
	ASSERT_EQ(0, move_pages(self->fd, dst, src, 1));
	EXPECT_EQ(1, *src);
	EXPECT_EQ(SIGSEGV, touch(dst));
	ASSERT_EQ(0, release(self->fd, dst, 1, 0));
	EXPECT_EQ(0, touch(dst));
	EXPECT_EQ(0, *dst);
}

TEST_F(move, release)
{
	char *p = at(self->mem, 500);

	pattern_fill(p, 24 * PAGE, 3);
	ASSERT_EQ(24, query(self->fd).pages);

	ASSERT_EQ(0, release(self->fd, p, 8, 0));
	EXPECT_EQ(16, query(self->fd).pages);
	EXPECT_TRUE(all_zero(p, 8 * PAGE));

	ASSERT_EQ(0, release(self->fd, p, 8, GREEN_RELEASE_SEAL));
	EXPECT_EQ(16, query(self->fd).pages);
	EXPECT_EQ(SIGSEGV, touch(p));
	EXPECT_EQ(SIGSEGV, touch(p + 8 * PAGE - 1));
	EXPECT_EQ(0, touch(p + 8 * PAGE));
	/* Sealing what is sealed and emptying what is empty is fine. */
	EXPECT_EQ(0, release(self->fd, p, 8, GREEN_RELEASE_SEAL));
	EXPECT_EQ(0, release(self->fd, p, 24, 0));
	EXPECT_EQ(0, release(self->fd, p, 24, 0));
	EXPECT_EQ(0, query(self->fd).pages);
	/* Pages never touched seal as well, over leaf borders. */
	EXPECT_EQ(0, release(self->fd, self->mem, ARENA_PAGES,
			     GREEN_RELEASE_SEAL));
	EXPECT_EQ(SIGSEGV, touch(self->mem));
	EXPECT_EQ(SIGSEGV, touch(at(self->mem, ARENA_PAGES - 1)));
}

/* Element i moves i % 4 + 1 pages, in an order that is not the addresses'. */
static void make_vector(char *mem, struct green_move_elem *vec)
{
	size_t i;

	for (i = 0; i < MAX_MOVES; i++) {
		size_t slot = i * 37 % MAX_MOVES;

		vec[i] = move_elem(at(mem, slot * 4), at(mem, 1024 + slot * 8),
				   i % 4 + 1);
		pattern_fill(at(mem, slot * 4), (i % 4 + 1) * PAGE, i);
	}
}

TEST_F(move, vector)
{
	struct green_move_elem vec[MAX_MOVES];
	size_t i;

	make_vector(self->mem, vec);
	ASSERT_EQ(0, move_vec(self->fd, vec, MAX_MOVES));
	EXPECT_EQ(MAX_MOVES, query(self->fd).moves);
	for (i = 0; i < MAX_MOVES; i++) {
		EXPECT_TRUE(pattern_holds((void *)(uintptr_t)vec[i].dst,
					  vec[i].len, i));
		EXPECT_TRUE(is_sealed((void *)(uintptr_t)vec[i].src));
	}
}

TEST_F(move, vector_all_or_nothing)
{
	struct green_move_elem vec[MAX_MOVES];
	struct green_query before;
	size_t i;

	make_vector(self->mem, vec);
	*(char *)(uintptr_t)vec[MAX_MOVES - 1].dst = 1;
	before = query(self->fd);
	ASSERT_EQ(-1, move_vec(self->fd, vec, MAX_MOVES));
	ASSERT_EQ(EEXIST, errno);
	EXPECT_EQ(before.pages, query(self->fd).pages);
	EXPECT_EQ(before.moves, query(self->fd).moves);
	for (i = 0; i < MAX_MOVES; i++) {
		EXPECT_TRUE(pattern_holds((void *)(uintptr_t)vec[i].src,
					  vec[i].len, i));
		EXPECT_EQ(i == MAX_MOVES - 1,
			  *(char *)(uintptr_t)vec[i].dst);
	}
}

/* Neighbours may move together: they share a TLB flush. */
TEST_F(move, vector_of_neighbours)
{
	struct green_move_elem vec[MAX_MOVES];
	size_t i;

	pattern_fill(self->mem, MAX_MOVES * PAGE, 5);
	for (i = 0; i < MAX_MOVES; i++)
		vec[i] = move_elem(at(self->mem, MAX_MOVES - 1 - i),
				   at(self->mem, 600 + MAX_MOVES - 1 - i), 1);
	ASSERT_EQ(0, move_vec(self->fd, vec, MAX_MOVES));
	EXPECT_TRUE(pattern_holds(at(self->mem, 600), MAX_MOVES * PAGE, 5));
	for (i = 0; i < MAX_MOVES; i++)
		EXPECT_TRUE(is_sealed(at(self->mem, i)));
}

TEST_F_TIMEOUT(move, back_and_forth, LONG)
{
	char *a = at(self->mem, 510), *b = at(self->mem, 1022);
	uint32_t reloc = 7;
	int i;

	pattern_fill(a, 4 * PAGE, 6);
	((uint64_t *)a)[7] = (uintptr_t)a + 100;
	for (i = 0; i < 10000; i++) {
		char *src = i % 2 ? b : a, *dst = i % 2 ? a : b;
		struct green_move_elem elem = move_elem(src, dst, 4);

		elem.relocs = (uintptr_t)&reloc;
		elem.nr_relocs = 1;
		elem.delta = dst - src;
		ASSERT_EQ(0, move_vec(self->fd, &elem, 1));
		ASSERT_EQ((uintptr_t)dst + 100, ((uint64_t *)dst)[7]);
	}
	EXPECT_EQ(4, query(self->fd).pages);
	EXPECT_EQ(10000, query(self->fd).moves);
	for (i = 56; i < 64; i++)
		a[i] = pattern_byte(i, 6);
	EXPECT_TRUE(pattern_holds(a, 4 * PAGE, 6));
}

TEST_F(move, dontneed_keeps_the_page)
{
	char *src = at(self->mem, 2), *dst = at(self->mem, 600);

	pattern_fill(src, 8 * PAGE, 7);
	ASSERT_EQ(0, madvise(src, 8 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(8, query(self->fd).pages);
	EXPECT_TRUE(pattern_holds(src, 8 * PAGE, 7));
	EXPECT_EQ(8, query(self->fd).pages);

	/* A MOVE needs no PTEs in the source either. */
	ASSERT_EQ(0, madvise(src, 8 * PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, move_pages(self->fd, src, dst, 8));
	EXPECT_TRUE(pattern_holds(dst, 8 * PAGE, 7));
	EXPECT_TRUE(is_sealed(src));

	ASSERT_EQ(0, madvise(dst, 8 * PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, release(self->fd, dst, 8, 0));
	EXPECT_EQ(0, query(self->fd).pages);
	EXPECT_TRUE(all_zero(dst, 8 * PAGE));
}

TEST_F(move, process_vm_readv)
{
	char *src = at(self->mem, 2), *dst = at(self->mem, 600);
	static char buf[8 * PAGE];

	pattern_fill(src, sizeof(buf), 8);
	ASSERT_EQ(0, move_pages(self->fd, src, dst, 8));
	ASSERT_EQ(0, peek(dst, buf, sizeof(buf)));
	EXPECT_TRUE(pattern_holds(buf, sizeof(buf), 8));
	EXPECT_EQ(EFAULT, peek(src, buf, PAGE));
}

/* mprotect() of the whole arena is allowed, and MOVE keeps to it. */
TEST_F(move, mprotect)
{
	char *src = at(self->mem, 2), *dst = at(self->mem, 600);

	*src = 1;
	ASSERT_EQ(0, mprotect(self->mem, ARENA_PAGES * PAGE, PROT_READ));
	ASSERT_EQ(0, move_pages(self->fd, src, dst, 1));
	EXPECT_EQ(1, *dst);
	EXPECT_EQ(SIGSEGV, touch(dst));
	ASSERT_EQ(0, mprotect(self->mem, ARENA_PAGES * PAGE,
			      PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, touch(dst));
	*dst = 2;
	EXPECT_EQ(2, *dst);
}

/* Requests may lie in the arena, in pages that the call itself populates. */
TEST_F(move, request_in_the_arena)
{
	struct green_query *q = (void *)at(self->mem, 700);
	struct green_move *m = (void *)at(self->mem, 701);
	struct green_move_elem *elem = (void *)at(self->mem, 702);
	uint32_t *relocs = (void *)at(self->mem, 703);
	char *src = at(self->mem, 4), *dst = at(self->mem, 600);

	q->size = sizeof(*q);
	ASSERT_EQ(0, madvise(self->mem, ARENA_PAGES * PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, ioctl(self->fd, GREEN_IOC_QUERY, q));
	EXPECT_EQ(1, q->pages);

	*(uint64_t *)src = (uintptr_t)src;
	*elem = move_elem(src, dst, 1);
	elem->relocs = (uintptr_t)relocs;
	elem->nr_relocs = 1;	/* of an empty page: word 0 */
	elem->delta = dst - src;
	m->size = sizeof(*m);
	m->vec = (uintptr_t)elem;
	m->nr = 1;
	ASSERT_EQ(0, madvise(self->mem, ARENA_PAGES * PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, ioctl(self->fd, GREEN_IOC_MOVE, m));
	EXPECT_EQ((uintptr_t)dst, *(uint64_t *)dst);

	/* Even in the page that it moves away: where to report has gone. */
	m = (void *)dst;
	m->size = sizeof(*m);
	m->flags = 0;
	m->vec = (uintptr_t)elem;
	m->nr = 1;
	m->failed = 0;
	*elem = move_elem(dst, src, 1);
	ASSERT_EQ(0, ioctl(self->fd, GREEN_IOC_MOVE, m));
	EXPECT_EQ(1, ((struct green_move *)src)->nr);
}

/*
 * One thread moves a stack to and fro; others populate and release their own
 * pages, take PTEs away everywhere, and read the stack from outside.
 */
struct racer {
	pthread_t thread;
	int fd;
	char *mem;
	bool bad;
};

#define RACE_SECONDS	5
#define RACE_ROUNDS	10	/* ... and so many at least */

static volatile bool race_over;

static void *race_populate(void *arg)
{
	struct racer *r = arg;
	char *p = at(r->mem, 1000);
	unsigned int round;
	int i;

	for (round = 0; !race_over; round++) {
		for (i = 0; i < 16; i++) {
			if (p[i * PAGE])
				r->bad = true;
			p[i * PAGE] = 1;
		}
		for (i = 0; i < 16; i++)
			if (p[i * PAGE] != 1)
				r->bad = true;
		if (release(r->fd, p, 16, round % 2 ? GREEN_RELEASE_SEAL : 0) ||
		    release(r->fd, p, 16, 0))
			r->bad = true;
	}
	return NULL;
}

static void *race_zap(void *arg)
{
	struct racer *r = arg;

	while (!race_over)
		if (madvise(r->mem, ARENA_PAGES * PAGE, MADV_DONTNEED))
			r->bad = true;
	return NULL;
}

/* What is read is the stack's own, or nothing. */
static void *race_read(void *arg)
{
	struct racer *r = arg;
	unsigned char c;
	int err;

	while (!race_over) {
		err = peek(at(r->mem, 10) + 100, &c, 1);
		if (err ? err != EFAULT : c != pattern_byte(100, 9))
			r->bad = true;
	}
	return NULL;
}

TEST_F_TIMEOUT(move, race, LONG)
{
	static void *(*const racers[])(void *) = {
		race_populate, race_zap, race_read,
	};
	struct racer r[3];
	char *a = at(self->mem, 10), *b = at(self->mem, 530);
	time_t end = time(NULL) + RACE_SECONDS;
	size_t i;

	pattern_fill(a, 3 * PAGE, 9);
	race_over = false;
	for (i = 0; i < 3; i++) {
		r[i] = (struct racer){ .fd = self->fd, .mem = self->mem };
		ASSERT_EQ(0, pthread_create(&r[i].thread, NULL, racers[i],
					    &r[i]));
	}
	for (i = 0; time(NULL) < end || i < RACE_ROUNDS; i++) {
		EXPECT_EQ(0, move_pages(self->fd, a, b, 3));
		EXPECT_TRUE(pattern_holds(b, 3 * PAGE, 9));
		EXPECT_EQ(0, move_pages(self->fd, b, a, 3));
		EXPECT_TRUE(pattern_holds(a, 3 * PAGE, 9));
	}
	TH_LOG("%zu rounds", i);
	race_over = true;
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_join(r[i].thread, NULL));
		EXPECT_FALSE(r[i].bad);
	}
	EXPECT_EQ(3, query(self->fd).pages);
}

/* Several threads move stacks of their own. */
static void *race_move(void *arg)
{
	struct racer *r = arg;
	char *a = r->mem, *b = at(r->mem, 64);
	int i;

	pattern_fill(a, 2 * PAGE, 10);
	for (i = 0; i < 2000; i++)
		if (move_pages(r->fd, i % 2 ? b : a, i % 2 ? a : b, 2))
			r->bad = true;
	if (!pattern_holds(a, 2 * PAGE, 10))
		r->bad = true;
	return NULL;
}

TEST_F_TIMEOUT(move, parallel, LONG)
{
	struct racer r[4];
	size_t i;

	for (i = 0; i < 4; i++) {
		r[i] = (struct racer){
			.fd = self->fd,
			.mem = at(self->mem, 128 * i),
		};
		ASSERT_EQ(0, pthread_create(&r[i].thread, NULL, race_move,
					    &r[i]));
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(r[i].thread, NULL));
		EXPECT_FALSE(r[i].bad);
	}
	EXPECT_EQ(8, query(self->fd).pages);
	EXPECT_EQ(8000, query(self->fd).moves);
}

/* An unmap in the middle of moves: they fail, and nothing is left behind. */
static void *race_move_until(void *arg)
{
	struct racer *r = arg;
	char *a = r->mem, *b = at(r->mem, 64);
	int i;

	for (i = 0; !race_over; i++)
		if (move_pages(r->fd, i % 2 ? b : a, i % 2 ? a : b, 2) &&
		    errno != ENXIO && errno != ENODATA)
			r->bad = true;
	return NULL;
}

TEST_F_TIMEOUT(move, race_with_munmap, LONG)
{
	struct racer r = { .fd = self->fd, .mem = self->mem };
	time_t end = time(NULL) + RACE_SECONDS;
	char buf[2 * PAGE];
	int i;

	race_over = false;
	ASSERT_EQ(0, pthread_create(&r.thread, NULL, race_move_until, &r));
	for (i = 0; time(NULL) < end || i < RACE_ROUNDS; i++) {
		memset(self->mem + 32 * PAGE, 1, 32 * PAGE);
		/* Populates the stack, which may be moved before it is read. */
		peek(self->mem, buf, sizeof(buf));
		usleep(i % 50);
		EXPECT_EQ(0, munmap(self->mem, ARENA_PAGES * PAGE));
		EXPECT_EQ(self->mem, mmap(self->mem, ARENA_PAGES * PAGE,
					  PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_FIXED_NOREPLACE,
					  self->fd, 0));
	}
	TH_LOG("%d rounds", i);
	race_over = true;
	ASSERT_EQ(0, pthread_join(r.thread, NULL));
	EXPECT_FALSE(r.bad);
}

TEST_HARNESS_MAIN
