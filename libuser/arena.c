/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The arena: one range of addresses, which a backend gives. At its low end lie the
 * runtime's own stacks, one a worker: an unwinder that comes from there to a green
 * stack must see addresses rise, or gdb gives up. The rest is cut from its end
 * downwards, so that what is cut later lies below.
 */
#include "internal.h"
#include "backend.h"

#include <errno.h>

#define RUNTIME_STACK	(256UL << 10)
#define DUMP_STEP	(16UL << 20)

GREEN_PER_RUN static struct {
	uintptr_t base, floor, brk;
	uintptr_t dumped;		/* from here on it is in core files */
} arena;

bool green_in_arena(uintptr_t addr)
{
	return addr >= arena.base && addr < arena.base + green_rt.opt.arena_size;
}

bool green_in_slots(uintptr_t addr)
{
	return addr >= arena.floor && addr < arena.base + green_rt.opt.arena_size;
}

/* In large steps: each is a system call. Without it a core file tells less. */
static void dump_from(uintptr_t addr)
{
	if (!green_rt.backend->dump || addr >= arena.dumped)
		return;
	addr = (addr - arena.floor) / DUMP_STEP * DUMP_STEP + arena.floor;
	green_rt.backend->dump(addr, arena.dumped - addr);
	arena.dumped = addr;
}

uintptr_t green_arena_carve(size_t bytes, size_t gap)
{
	uintptr_t lo = arena.brk - bytes;

	if (arena.brk - arena.floor < bytes) {
		green_rt.arena_full = true;
		return 0;
	}
	if (gap && green_rt.backend->seal(lo, gap))
		return 0;
	arena.brk = lo;
	dump_from(lo);
	return lo;
}

static int open_backend(const struct green_backend *backend)
{
	green_rt.backend = backend;
	return backend->open(green_rt.opt.arena_size, &arena.base);
}

static int runtime_stacks(void)
{
	unsigned int i;
	int err;

	arena.floor = arena.base;
	for (i = 0; i < green_rt.nr_workers; i++) {
		err = green_rt.backend->seal(arena.floor, GREEN_PAGE);
		if (err)
			return err;
		arena.floor += RUNTIME_STACK;
		green_rt.worker[i].sp = arena.floor;
	}
	if (green_rt.backend->dump)
		green_rt.backend->dump(arena.base, arena.floor - arena.base);
	return 0;
}

int green_arena_init(void)
{
	int err = -ENODEV;

	if (!green_rt.debug.user_backend)
		err = open_backend(&green_backend_module);
	if (err == -ENODEV)
		err = open_backend(&green_backend_user);
	if (err)
		return err;
	err = runtime_stacks();
	if (err)
		green_rt.backend->close();
	arena.brk = arena.dumped = arena.base + green_rt.opt.arena_size;
	return err;
}

void green_arena_exit(void)
{
	green_rt.backend->close();
}
