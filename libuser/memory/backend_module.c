/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The backend with green.ko: the module owns the arena's pages and moves them. */
#define _GNU_SOURCE
#include "base/runtime.h"
#include "memory/backend.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/green.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define NEEDED (GREEN_FEATURE_MOVE | GREEN_FEATURE_RELEASE)

GREEN_PER_RUN static struct {
	int fd;
	void *base;
	size_t len;
	uint64_t features;
} arena = { .fd = -1 };

static int call(unsigned long cmd, void *arg)
{
	return ioctl(arena.fd, cmd, arg) < 0 ? -errno : 0;
}

static void module_close(void)
{
	if (arena.base)
		munmap(arena.base, arena.len);
	arena.base = NULL;
	close(arena.fd);
	arena.fd = -1;
}

/* A module that is not there, not ours to use or too old is no module. */
static int module_open(size_t len, uintptr_t *base)
{
	struct green_query q = { .size = sizeof(q) };
	void *p;

	arena.fd = open("/dev/green", O_RDWR | O_CLOEXEC);
	if (arena.fd < 0)
		return -ENODEV;
	if (call(GREEN_IOC_QUERY, &q) || q.abi_version < GREEN_ABI_VERSION ||
	    (q.features & NEEDED) != NEEDED || q.max_arena < len)
		goto err_dev;
	arena.features = q.features;
	/* Inaccessible at first: mlockall() may have all mappings to come populated. */
	p = mmap(NULL, len, PROT_NONE, MAP_SHARED | MAP_NORESERVE, arena.fd, 0);
	if (p == MAP_FAILED)
		goto err_dev;
	if (mprotect(p, len, PROT_READ | PROT_WRITE)) {
		munmap(p, len);
		goto err_dev;
	}
	/* With a copy of the stack that it forks on a child comes as far as module_forked(). */
	madvise(p, len, MADV_DOFORK);
	arena.base = p;
	arena.len = len;
	*base = (uintptr_t)p;
	return 0;

err_dev:
	module_close();
	return -ENODEV;
}

static int release(uintptr_t addr, size_t len, uint32_t flags)
{
	struct green_release r = {
		.size = sizeof(r), .flags = flags, .addr = addr, .len = len,
	};

	return call(GREEN_IOC_RELEASE, &r);
}

static int module_seal(uintptr_t addr, size_t len)
{
	return release(addr, len, GREEN_RELEASE_SEAL);
}

static int module_reset(uintptr_t addr, size_t len)
{
	return release(addr, len, 0);
}

static int module_move(uintptr_t dst, uintptr_t src, size_t len,
		       const struct green_relocs *r)
{
	struct green_move_elem e = {
		.src = src, .dst = dst, .len = len,
		.relocs = (uintptr_t)r->word, .nr_relocs = r->nr, .delta = r->delta,
	};
	struct green_move m = {
		.size = sizeof(m), .vec = (uintptr_t)&e, .nr = 1,
	};

	return call(GREEN_IOC_MOVE, &m);
}

static int module_forked(void)
{
	uintptr_t base = (uintptr_t)arena.base;
	size_t len = arena.len;

	module_close();
	return green_backend_user_map(base, len, &base);
}

/* Comes back only on failure. */
static int module_resume(const void *pc, uintptr_t sp, void *rbx)
{
	struct green_context save, load = {
		.rip = (uintptr_t)pc, .rsp = sp, .rbx = (uintptr_t)rbx,
	};
	struct green_switch s = {
		.size = sizeof(s), .save = (uintptr_t)&save, .load = (uintptr_t)&load,
	};

	if (!(arena.features & GREEN_FEATURE_SWITCH))
		return -EOPNOTSUPP;
	return call(GREEN_IOC_SWITCH, &s);
}

const struct green_backend green_backend_module = {
	.name = "module",
	.open = module_open,
	.close = module_close,
	.seal = module_seal,
	.reset = module_reset,
	.move = module_move,
	.forked = module_forked,
	.resume = module_resume,
};
