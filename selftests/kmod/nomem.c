// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation and every user copy of every call fails once, in turn. What
 * fails must leave things as they were. Needs a kernel with fault injection
 * (the config fragment names it); skips without.
 */
#include <sys/mount.h>

#include <kselftest_harness.h>

#include "kmod_test.h"

#define LEAF_PAGES	512UL	/* of a page table, and of the state table */
#define ARENA_PAGES	(4096 * LEAF_PAGES)
#define NR_MOVES	4
#define NR_RELOCS	100	/* more than the module takes on its stack */
#define MAX_FAULTS	200

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

static bool fault_injection_on(void)
{
	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	write_file("/sys/kernel/debug/fail_usercopy/verbose", "0");
	return write_file("/sys/kernel/debug/failslab/ignore-gfp-wait", "N") &&
	       write_file("/sys/kernel/debug/failslab/verbose", "0") &&
	       write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-wait",
			  "N") &&
	       write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0") &&
	       write_file("/sys/kernel/debug/fail_page_alloc/verbose", "0") &&
	       access("/proc/thread-self/fail-nth", W_OK) == 0;
}

FIXTURE(nomem)
{
	int fd, nth;
	char *mem;
};

FIXTURE_SETUP(nomem)
{
	OPEN_OR_SKIP(self->fd);
	if (!fault_injection_on())
		SKIP_TEST("the kernel has no fault injection");
	self->nth = open("/proc/thread-self/fail-nth", O_RDWR);
	ASSERT_LE(0, self->nth);
	self->mem = arena_map(self->fd, ARENA_PAGES);
	ASSERT_NE(MAP_FAILED, self->mem);
}

FIXTURE_TEARDOWN(nomem)
{
	close(self->fd);
}

/* Fail the nth chance to fail from here on. */
static void arm(int fd, int nth)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%d", nth);

	if (pwrite(fd, text, n, 0) != n)
		abort();
}

/*
 * Whether there was an nth. Asking has chances to fail of its own: if that is
 * where it happens, it has not happened before, and will not again.
 */
static bool disarm(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) < 0)
		return false;
	if (atoi(text) == 0)
		return true;
	if (pwrite(fd, "0", 1, 0) != 1 && errno != EFAULT)
		abort();
	return false;
}

static bool may_fail_with(int err)
{
	return err == ENOMEM || err == EFAULT;
}

/* The nth region that nothing has been done to: no tables of either kind. */
static char *fresh(char *mem, size_t nth)
{
	return mem + (nth * 2 + 1) * LEAF_PAGES * PAGE - PAGE;
}

TEST_F(nomem, move)
{
	static uint32_t relocs[NR_RELOCS];
	struct green_move_elem vec[NR_MOVES];
	struct green_query before;
	size_t used = 0;
	int i, nth, failures = 0;

	for (i = 0; i < NR_RELOCS; i++)
		relocs[i] = i;
	for (i = 0; i < NR_MOVES; i++) {
		char *src = fresh(self->mem, used++);
		uint64_t *word = (uint64_t *)src;
		int j;

		pattern_fill(src, 2 * PAGE, i);
		for (j = 0; j < NR_RELOCS; j++)
			word[j] = (uintptr_t)src + j;
		vec[i] = move_elem(src, NULL, 2);
		vec[i].relocs = (uintptr_t)relocs;
		vec[i].nr_relocs = NR_RELOCS;
	}
	before = query(self->fd);

	for (nth = 1; nth < MAX_FAULTS; nth++) {
		struct green_move m = {
			.size = sizeof(m),
			.vec = (uintptr_t)vec,
			.nr = NR_MOVES,
		};
		bool injected;
		int ret, err, j;

		/* New ranges over two tables: all must be allocated again. */
		for (i = 0; i < NR_MOVES; i++) {
			vec[i].dst = (uintptr_t)fresh(self->mem, used++);
			vec[i].delta = vec[i].dst - vec[i].src;
		}
		arm(self->nth, nth);
		ret = ioctl(self->fd, GREEN_IOC_MOVE, &m);
		err = errno;
		injected = disarm(self->nth);
		if (ret) {
			ASSERT_TRUE(injected);
			ASSERT_TRUE(may_fail_with(err));
			failures++;
		}

		/* All is at the source or all at the destination. */
		ASSERT_EQ(before.pages, query(self->fd).pages);
		for (i = 0; i < NR_MOVES; i++) {
			uint64_t at = ret ? vec[i].src : vec[i].dst;
			uint64_t *word = (uint64_t *)(uintptr_t)at;

			for (j = 0; j < NR_RELOCS; j++)
				ASSERT_EQ(at + j, word[j]);
			for (j = NR_RELOCS * 8; j < 2 * (int)PAGE; j++)
				ASSERT_EQ(pattern_byte(j, i),
					  ((unsigned char *)word)[j]);
		}
		ASSERT_EQ(before.pages, query(self->fd).pages);
		for (i = 0; !ret && i < NR_MOVES; i++) {
			ASSERT_TRUE(is_sealed((void *)(uintptr_t)vec[i].src));
			vec[i].src = vec[i].dst;
		}
		if (!injected)
			break;
	}
	TH_LOG("%d chances to fail, %d failures", nth - 1, failures);
	ASSERT_LT(nth, MAX_FAULTS);
	EXPECT_LT(10, failures);
}

/* What a failed MOVE leaves at its destination is what was there. */
TEST_F(nomem, move_destination)
{
	char *src = fresh(self->mem, 0);
	int nth, failures = 0;

	pattern_fill(src, 2 * PAGE, 1);
	for (nth = 1; nth < MAX_FAULTS; nth++) {
		char *dst = fresh(self->mem, nth);
		bool injected;
		int ret;

		arm(self->nth, nth);
		ret = move_pages(self->fd, src, dst, 2);
		injected = disarm(self->nth);
		if (!ret) {
			src = dst;
		} else {
			failures++;
			ASSERT_TRUE(all_zero(dst, 2 * PAGE));
			ASSERT_EQ(4, query(self->fd).pages);
			ASSERT_EQ(0, release(self->fd, dst, 2, 0));
		}
		ASSERT_TRUE(pattern_holds(src, 2 * PAGE, 1));
		ASSERT_EQ(2, query(self->fd).pages);
		if (!injected)
			break;
	}
	ASSERT_LT(nth, MAX_FAULTS);
	EXPECT_LT(3, failures);
}

TEST_F(nomem, release_seal)
{
	int nth, failures = 0;

	for (nth = 1; nth < MAX_FAULTS; nth++) {
		char *p = fresh(self->mem, nth);
		bool injected;
		int ret;

		/* One page is there, and its neighbour's leaf is not. */
		*p = 1;
		arm(self->nth, nth);
		ret = release(self->fd, p, 2, GREEN_RELEASE_SEAL);
		injected = disarm(self->nth);
		if (ret) {
			failures++;
			ASSERT_EQ(1, query(self->fd).pages);
			ASSERT_EQ(1, *p);
			ASSERT_EQ(0, p[PAGE]);
			ASSERT_EQ(0, release(self->fd, p, 2, 0));
		} else {
			ASSERT_TRUE(is_sealed(p));
			ASSERT_TRUE(is_sealed(p + PAGE));
		}
		ASSERT_EQ(0, query(self->fd).pages);
		if (!injected)
			break;
	}
	ASSERT_LT(nth, MAX_FAULTS);
	EXPECT_LT(0, failures);
}

/* To empty pages needs no memory. */
TEST_F(nomem, release)
{
	int nth;

	for (nth = 1; nth < MAX_FAULTS; nth++) {
		char *p = fresh(self->mem, nth);
		bool injected;
		int ret, err;

		*p = 1;
		arm(self->nth, nth);
		ret = release(self->fd, p, 2, 0);
		err = errno;
		injected = disarm(self->nth);
		if (ret) {
			ASSERT_EQ(EFAULT, err);
			ASSERT_EQ(0, release(self->fd, p, 2, 0));
		}
		ASSERT_EQ(0, query(self->fd).pages);
		if (!injected)
			break;
	}
	ASSERT_LT(nth, MAX_FAULTS);
}

/* A fault that finds no memory is tried again. */
TEST_F(nomem, fault)
{
	int nth;

	for (nth = 1; nth < MAX_FAULTS; nth++) {
		volatile char *p = fresh(self->mem, nth);
		bool injected;

		arm(self->nth, nth);
		*p = nth & 127;
		injected = disarm(self->nth);
		ASSERT_EQ(nth & 127, *p);
		ASSERT_EQ(nth, query(self->fd).pages);
		if (!injected)
			break;
	}
	ASSERT_LT(nth, MAX_FAULTS);
	EXPECT_LT(3, nth);
}

TEST_F(nomem, open_and_mmap)
{
	int nth, failures = 0;

	for (nth = 1; nth < MAX_FAULTS; nth++) {
		char *mem = MAP_FAILED;
		bool injected;
		int fd;

		arm(self->nth, nth);
		fd = device_open();
		if (fd >= 0)
			mem = arena_map(fd, ARENA_PAGES);
		injected = disarm(self->nth);
		if (mem == MAP_FAILED) {
			failures++;
			ASSERT_TRUE(injected);
			if (fd >= 0) {
				ASSERT_EQ(0, query(fd).arena_len);
				mem = arena_map(fd, ARENA_PAGES);
				ASSERT_NE(MAP_FAILED, mem);
				mem[0] = 1;
				ASSERT_EQ(1, query(fd).pages);
			}
		}
		if (mem != MAP_FAILED)
			ASSERT_EQ(0, munmap(mem, ARENA_PAGES * PAGE));
		if (fd >= 0)
			close(fd);
		if (!injected)
			break;
	}
	ASSERT_LT(nth, MAX_FAULTS);
	EXPECT_LT(3, failures);
}

TEST_HARNESS_MAIN
