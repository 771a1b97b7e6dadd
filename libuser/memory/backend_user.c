/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The backend without the module: one anonymous mapping, inaccessible until it is
 * used. Sealed pages are guard markers in the page tables where the kernel has them
 * (6.13), which cost no VMA; else PROT_NONE, which costs two and ends at
 * vm.max_map_count.
 */
#define _GNU_SOURCE
#include "base/runtime.h"
#include "memory/backend.h"
#include "memory/sizes.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL	102
#define MADV_GUARD_REMOVE	103
#endif

GREEN_PER_RUN static struct {
	void *base;
	size_t len;
	int no_guard;			/* the kernel has no guard markers */
} arena;

/*
 * Address space and nothing else, whatever mlockall() has been told about mappings to
 * come: those are populated when they are made, and count as locked. A page that is
 * unlocked and then grows is neither.
 */
static void *reserve(size_t len)
{
	void *p = mmap(NULL, GREEN_PAGE, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	void *all;

	if (p == MAP_FAILED)
		return p;
	munlock(p, GREEN_PAGE);
	all = mremap(p, GREEN_PAGE, len, MREMAP_MAYMOVE);
	if (all == MAP_FAILED)
		munmap(p, GREEN_PAGE);
	return all;
}

int green_backend_user_map(uintptr_t addr, size_t len, uintptr_t *base)
{
	/* In another's place, of which parts are in use. */
	void *p = !addr ? reserve(len) :
		  mmap((void *)addr, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
		       MAP_NORESERVE | MAP_STACK | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	/* A huge page under a stack of a few KiB is waste, and a move splits it. */
	madvise(p, len, MADV_NOHUGEPAGE);
	/* Tens of gigabytes that were never used are no part of a core file. */
	madvise(p, len, MADV_DONTDUMP);
	arena.base = p;
	arena.len = len;
	arena.no_guard = green_rt.debug.mappings;
	*base = (uintptr_t)p;
	return 0;
}

static int user_open(size_t len, uintptr_t *base)
{
	return green_backend_user_map(0, len, base);
}

static void user_close(void)
{
	munmap(arena.base, arena.len);
}

/*
 * Locked pages cannot be given up. They are if the program has called mlockall()
 * inside green_run(); but stacks are to be touched one by one, and given back.
 */
static int advise(void *p, size_t len, int advice)
{
	if (!madvise(p, len, advice))
		return 0;
	if (errno == EINVAL && !munlock(arena.base, arena.len) && !madvise(p, len, advice))
		return 0;
	return -errno;
}

static int user_seal(uintptr_t addr, size_t len)
{
	void *p = (void *)addr;
	int err;

	if (!arena.no_guard) {
		err = advise(p, len, MADV_GUARD_INSTALL);
		if (err != -EINVAL)
			return err;
		arena.no_guard = 1;
	}
	err = advise(p, len, MADV_DONTNEED);
	if (err)
		return err;
	return mprotect(p, len, PROT_NONE) ? -errno : 0;
}

static int user_reset(uintptr_t addr, size_t len)
{
	void *p = (void *)addr;
	int err = advise(p, len, MADV_DONTNEED);

	if (err)
		return err;
	if (arena.no_guard)
		return mprotect(p, len, PROT_READ | PROT_WRITE) ? -errno : 0;
	return advise(p, len, MADV_GUARD_REMOVE);
}

static int user_move(uintptr_t dst, uintptr_t src, size_t len,
		     const struct green_relocs *r)
{
	uint64_t *to = (uint64_t *)dst;
	uint32_t i;
	int err;

	memcpy(to, (const void *)src, len);
	/* The source is sealed last thing that can fail; the copy is harmless. */
	err = user_seal(src, len);
	if (err)
		return err;
	for (i = 0; i < r->nr; i++)
		to[r->word[i]] += (uint64_t)r->delta;
	return 0;
}

static int user_ready(uintptr_t addr, size_t len)
{
	void *p = (void *)addr;

	/* What is locked is populated when it becomes accessible. */
	munlock(p, len);
	if (mprotect(p, len, PROT_READ | PROT_WRITE))
		return -errno;
	/* Without it a core file tells less. */
	madvise(p, len, MADV_DODUMP);
	return 0;
}

const struct green_backend green_backend_user = {
	.name = "user",
	.open = user_open,
	.close = user_close,
	.seal = user_seal,
	.reset = user_reset,
	.move = user_move,
	.ready = user_ready,
};
