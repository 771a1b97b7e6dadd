/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The arena: one range of addresses, which a backend gives. At its low end lie the
 * runtime's own stacks, one a worker: an unwinder that comes from there to a green
 * stack must see addresses rise, or gdb gives up. The rest is cut from its end
 * downwards, so that what is cut later lies below.
 */
#define _GNU_SOURCE
#include "base/debug.h"
#include "base/fail.h"
#include "base/runtime.h"
#include "base/worker.h"
#include "memory/arena.h"
#include "memory/backend.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define RUNTIME_STACK	(256UL << 10)
#define READY_STEP	(16UL << 20)

/* Room for stacks that grow, and slabs. */
#define LEAST_ROOM	(4UL << 20)

GREEN_PER_RUN static struct {
	uintptr_t base, floor, brk;
	uintptr_t ready;		/* from here on the backend has made it so */
	int err;			/* of the last green_arena_carve() */
} arena;

/* The least that one may have, which green.h says. */
static size_t least_size(const struct green_options *opt)
{
	return LEAST_ROOM + (opt->workers + 1) * (RUNTIME_STACK + opt->gap);
}

bool green_arena_too_small(const struct green_options *opt, size_t *least)
{
	*least = least_size(opt);
	return opt->arena_size < *least;
}

bool green_in_arena(uintptr_t addr)
{
	return addr >= arena.base && addr < arena.base + green_rt.opt.arena_size;
}

bool green_in_slots(uintptr_t addr)
{
	return addr >= arena.floor && addr < arena.base + green_rt.opt.arena_size;
}

/* In large steps: each is some system calls. */
static int ready_from(uintptr_t addr)
{
	int err;

	if (!green_rt.backend->ready || addr >= arena.ready)
		return 0;
	addr = (addr - arena.floor) / READY_STEP * READY_STEP + arena.floor;
	err = green_rt.backend->ready(addr, arena.ready - addr);
	if (!err)
		arena.ready = addr;
	return err;
}

uintptr_t green_arena_carve(size_t bytes, size_t gap)
{
	uintptr_t lo = arena.brk - bytes;

	arena.err = -ENOSPC;
	if (arena.brk - arena.floor < bytes) {
		green_rt.arena_full = true;
		return 0;
	}
	arena.err = ready_from(lo);
	if (!arena.err && gap)
		arena.err = green_rt.backend->seal(lo, gap);
	if (arena.err)
		return 0;
	arena.brk = lo;
	return lo;
}

const char *green_arena_why(void)
{
	static char text[200];

	if (!arena.err)
		return NULL;
	if (arena.err == -ENOSPC)
		snprintf(text, sizeof(text), "the arena of %zu MiB is full (green_options.arena_size)",
			 green_rt.opt.arena_size >> 20);
	else if (arena.err == -ENOMEM && green_rt.backend == &green_backend_user)
		snprintf(text, sizeof(text), "the kernel gives no more mappings: each stack of 16 KiB "
			 "or more takes two before Linux 6.13 without the module; raise "
			 "vm.max_map_count (sysctl)");
	else
		snprintf(text, sizeof(text), "%s", strerrordesc_np(-arena.err));
	return text;
}

static int open_backend(const struct green_backend *backend)
{
	green_rt.backend = backend;
	return backend->open(green_rt.opt.arena_size, &arena.base);
}

static int open_any(void)
{
	int err = -ENODEV;

	if (!green_rt.debug.user_backend)
		err = open_backend(&green_backend_module);
	if (err == -ENODEV)
		err = open_backend(&green_backend_user);
	return err;
}

/*
 * The default is more than a limit or a container may allow. What can be had then
 * is not all ours: half of it is left to the program.
 */
static int open_smaller(int err)
{
	size_t size = green_rt.opt.arena_size / 2, least = least_size(&green_rt.opt);

	while (err && size >= least) {
		green_rt.opt.arena_size = size;
		err = open_any();
		size /= 2;
	}
	if (err || size < least)
		return err;
	green_rt.backend->close();
	green_rt.opt.arena_size = size;
	return open_any();
}

static int say_why(int err)
{
	struct rlimit as;

	if (getrlimit(RLIMIT_AS, &as) || as.rlim_cur == RLIM_INFINITY)
		return green_fail(err, "arena: %zu MiB of address space (green_options."
				  "arena_size) were refused: %s", green_rt.opt.arena_size >> 20,
				  strerrordesc_np(-err));
	return green_fail(err, "arena: %zu MiB of address space (green_options.arena_size) "
			  "were refused: %s; RLIMIT_AS (ulimit -v) is %llu MiB",
			  green_rt.opt.arena_size >> 20, strerrordesc_np(-err),
			  (unsigned long long)as.rlim_cur >> 20);
}

/* Each with a gap below it, like any. */
static int runtime_stacks(void)
{
	size_t gap = green_rt.opt.gap;
	unsigned int i;
	int err = 0;

	arena.floor = arena.base + green_rt.nr_workers * (gap + RUNTIME_STACK);
	if (green_rt.backend->ready)
		err = green_rt.backend->ready(arena.base, arena.floor - arena.base);
	for (i = 0; i < green_rt.nr_workers && !err; i++) {
		uintptr_t lo = arena.base + i * (gap + RUNTIME_STACK);

		err = green_rt.backend->seal(lo, gap);
		green_rt.worker[i].sp = lo + gap + RUNTIME_STACK;
	}
	return err;
}

int green_arena_init(void)
{
	int err = open_any();

	if (err && green_rt.any_arena)
		err = open_smaller(err);
	if (err)
		return say_why(err);
	green_trace(1, "arena: %zu MiB, backend %s", green_rt.opt.arena_size >> 20,
		    green_rt.backend->name);
	arena.err = 0;
	arena.brk = arena.ready = arena.base + green_rt.opt.arena_size;
	err = runtime_stacks();
	if (err) {
		green_rt.backend->close();
		return green_fail(err, "stacks of the workers: %s",
				  strerrordesc_np(-err));
	}
	return 0;
}

void green_arena_exit(void)
{
	green_rt.backend->close();
}
