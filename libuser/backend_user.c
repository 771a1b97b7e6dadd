/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The backend without the module: one anonymous mapping. Sealed pages are guard
 * markers in the page tables where the kernel has them (6.13), which cost no
 * VMA; else PROT_NONE, which costs two and ends at vm.max_map_count.
 */
#define _GNU_SOURCE
#include "internal.h"
#include "backend.h"

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

int green_backend_user_map(uintptr_t addr, size_t len, uintptr_t *base)
{
	void *p = mmap((void *)addr, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK |
		       (addr ? MAP_FIXED : 0), -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	/* A huge page under a stack of a few KiB is waste, and a move splits it. */
	madvise(p, len, MADV_NOHUGEPAGE);
	/* Tens of gigabytes that were never used are no part of a core file. */
	madvise(p, len, MADV_DONTDUMP);
	arena.base = p;
	arena.len = len;
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

static int user_seal(uintptr_t addr, size_t len)
{
	void *p = (void *)addr;

	if (!arena.no_guard) {
		if (!madvise(p, len, MADV_GUARD_INSTALL))
			return 0;
		if (errno != EINVAL)
			return -errno;
		arena.no_guard = 1;
	}
	if (madvise(p, len, MADV_DONTNEED) || mprotect(p, len, PROT_NONE))
		return -errno;
	return 0;
}

static int user_reset(uintptr_t addr, size_t len)
{
	void *p = (void *)addr;

	if (madvise(p, len, MADV_DONTNEED))
		return -errno;
	if (arena.no_guard)
		return mprotect(p, len, PROT_READ | PROT_WRITE) ? -errno : 0;
	return madvise(p, len, MADV_GUARD_REMOVE) ? -errno : 0;
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

static int user_dump(uintptr_t addr, size_t len)
{
	return madvise((void *)addr, len, MADV_DODUMP) ? -errno : 0;
}

const struct green_backend green_backend_user = {
	.name = "user",
	.open = user_open,
	.close = user_close,
	.seal = user_seal,
	.reset = user_reset,
	.move = user_move,
	.dump = user_dump,
};
