/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Stack addresses that were stored where no map names them. Mapped code calls
 * green_escape() before it does that, in the middle of anything: no locks and no
 * memory are taken. barrier.S has the way here: on the worker's stack, as for the
 * runtime's calls, and the last argument is the caller's frame pointer. The frame that
 * an address lies in is pinned until it is left, or until the local dies: if there is any
 * pin below its frame pointer the function calls green_escape_end() or
 * green_escape_dead(). What frames leave behind that are left in another way lies below
 * the stack pointer, and goes when a move is tried. The first pin takes the worker's reserve
 * (base/parts.h); where there was no memory for that all is pinned, until the thread ends.
 *
 * Why this is enough stands in tools/greencc/pass/Barrier.cpp.
 */
#include "base/assert.h"
#include "base/parts.h"
#include "base/thread.h"
#include "base/worker.h"
#include "maps/registry.h"
#include "stack/bounds.h"
#include "stack/frames.h"
#include "stack/pin.h"

#include <stdlib.h>
#include <string.h>

__thread uintptr_t green_escape_low = UINTPTR_MAX;

static struct green *current(void)
{
	return green_worker ? green_worker->current : NULL;
}

/* ---- the pins of a thread ----------------------------------------------- */

static const struct green_escape *first(const struct green *t)
{
	return t->rare ? t->rare->escapes.many ?: t->rare->escapes.few : NULL;
}

static const struct green_escape *end(const struct green *t)
{
	return t->rare ? first(t) + t->rare->escapes.nr : NULL;
}

/* Of a thread that has some. */
static struct green_escape *pins(const struct green *t)
{
	return t->rare->escapes.many ?: t->rare->escapes.few;
}

static void set_low(const struct green *t)
{
	uintptr_t low = UINTPTR_MAX;

	for (const struct green_escape *e = first(t); e < end(t); e++)
		if (e->addr < low)
			low = e->addr;
	green_escape_low = low;
}

/* A thread that has many takes the worker's spare room; one that has none yet the reserve. */
void green_escape_switch(struct green_worker *w, const struct green *t)
{
	if (!w->spare_escapes)
		w->spare_escapes = malloc(GREEN_ESCAPES * sizeof(*w->spare_escapes));
	green_rare_reserve(w);
	set_low(t);
}

void green_escapes_free(struct green *t)
{
	if (!t->rare)
		return;
	free(t->rare->escapes.many);
	t->rare->escapes.many = NULL;
	t->rare->escapes.nr = 0;
}

/*
 * Where the frame ends that @addr lies in, its return address included, or 0 if
 * that cannot be told: only mapped functions are known to keep rbp as a frame
 * pointer. @flags: those of its function's map, but 0 of the one that asks.
 */
static uintptr_t frame_of(const struct green *t, uintptr_t addr, uintptr_t fp, uint32_t *flags)
{
	struct green_frame f;

	*flags = 0;
	if (!green_frame_at(t, NULL, fp, &f))
		return 0;
	while (green_frame_is_whole(&f)) {
		uintptr_t end = f.rbp + 16;

		if (addr >= f.lo && addr < end)
			return end;
		if (!green_frame_next(&f))
			return 0;
		*flags = green_map_flags((const char *)f.ret - 1);
		if (!*flags && !green_is_join(f.ret))
			return 0;
	}
	return 0;
}

static uintptr_t frame_end(const struct green *t, uintptr_t addr, uintptr_t fp)
{
	uint32_t flags;

	return frame_of(t, addr, fp, &flags);
}

static bool pinned(const struct green *t, uintptr_t addr)
{
	if (t->all_held)
		return true;
	for (const struct green_escape *e = first(t); e < end(t); e++)
		if (addr >= e->addr && addr <= e->last)
			return true;
	return false;
}

/* A thread's first pin needs a place; else all of the stack is held, for good. */
static bool has_place(struct green *t)
{
	if (t->all_held)
		return false;
	t->all_held = !green_rare_of_running(t);
	return !t->all_held;
}

/* From @addr up all is pinned, until the end. */
static void pin_all_above(struct green *t, uintptr_t addr)
{
	struct green_escape *p = pins(t);

	for (const struct green_escape *e = first(t); e < end(t); e++)
		if (e->addr < addr)
			addr = e->addr;
	t->rare->escapes.nr = 1;
	*p = (struct green_escape){ addr, UINTPTR_MAX, UINTPTR_MAX };
}

static bool is_of_unknown_frame(const struct green_escape *e)
{
	return e->end == e->addr + 1;
}

/*
 * Too many frames are pinned: the two lowest pins become one, with what lies between
 * them, until the older frame is left; or for good, if it is not known which frames.
 * Locals are not told apart in it.
 */
static void merge_lowest(struct green *t)
{
	struct green_escapes *e = &t->rare->escapes;
	struct green_escape *p = pins(t), *lowest = p, *next = NULL;
	unsigned int i;

	for (i = 1; i < e->nr; i++)
		if (p[i].addr < lowest->addr) {
			next = lowest;
			lowest = &p[i];
		} else if (!next || p[i].addr < next->addr) {
			next = &p[i];
		}
	if (is_of_unknown_frame(lowest) || is_of_unknown_frame(next))
		lowest->end = UINTPTR_MAX;
	else if (lowest->end < next->end)
		lowest->end = next->end;
	lowest->last = lowest->end - 1;
	*next = p[--e->nr];
}

static bool has_room(struct green *t)
{
	struct green_escapes *e = &t->rare->escapes;

	if (e->many)
		return e->nr < GREEN_ESCAPES;
	if (e->nr < GREEN_FEW_ESCAPES)
		return true;
	if (!green_worker->spare_escapes)
		return false;
	e->many = green_worker->spare_escapes;
	green_worker->spare_escapes = NULL;
	memcpy(e->many, e->few, sizeof(e->few));
	return true;
}

static uintptr_t distance(const struct green_escape *e, uintptr_t addr)
{
	return addr < e->addr ? e->addr - addr : addr > e->last ? addr - e->last : 0;
}

/* Of the pins of the frame that ends at @frame: how many, and the one next to @addr. */
static unsigned int pins_of(struct green *t, uintptr_t addr, uintptr_t frame,
			    struct green_escape **next)
{
	struct green_escape *p = pins(t);
	unsigned int i, n = 0;

	for (i = 0; i < t->rare->escapes.nr; i++)
		if (p[i].end == frame && (!n++ || distance(&p[i], addr) < distance(*next, addr)))
			*next = &p[i];
	return n;
}

/* Of a frame with many, those that lie together become one pin, which goes as a whole. */
static void add(struct green *t, uintptr_t addr, uintptr_t frame)
{
	struct green_escapes *e = &t->rare->escapes;
	struct green_escape *p = NULL;
	unsigned int n = frame ? pins_of(t, addr, frame, &p) : 0;

	if (n == GREEN_ESCAPES_OF_FRAME || (n && !has_room(t))) {
		if (addr < p->addr)
			p->addr = addr;
		else if (addr > p->last)
			p->last = addr;
		return;
	}
	if (!has_room(t))
		merge_lowest(t);
	p = pins(t);
	green_assert(e->nr < (e->many ? GREEN_ESCAPES : GREEN_FEW_ESCAPES));
	p[e->nr++] = (struct green_escape){ addr, addr, frame ? frame : addr + 1 };
}

static void pin(struct green *t, uintptr_t addr, uintptr_t frame)
{
	if (!has_place(t))
		return;
	add(t, addr, frame);
	if (addr < green_escape_low)
		green_escape_low = addr;
}

/* ---- the barrier --------------------------------------------------------- */

static void escape(struct green *t, uintptr_t value, uintptr_t fp)
{
	if (green_on_stack(t, value) && !pinned(t, value))
		pin(t, value, frame_end(t, value, fp));
}

/* @value is about to be stored where no map names it. */
void do_green_escape(uintptr_t value, uintptr_t fp);
void do_green_escape(uintptr_t value, uintptr_t fp)
{
	struct green *t = current();

	if (t)
		escape(t, value, fp);
}

/*
 * ... and cannot be looked at. From the caller's frame up all stays where it is, older
 * segments too, until the thread ends: the pin's end lies above them.
 */
void do_green_escape_all(uintptr_t fp);
void do_green_escape_all(uintptr_t fp)
{
	struct green *t = current();

	if (!t || !has_place(t))
		return;
	pin_all_above(t, green_on_stack(t, fp) ? fp : t->hi - 8);
	set_low(t);
}

/*
 * Is @dest in a frame of this stack that is not pinned? That can be no memory
 * that was found from outside. A pin of one byte is of a frame that is not known.
 * Functions that cannot move do not pin their own locals; and they do not ask.
 */
static bool free_local(const struct green *t, uintptr_t dest, uintptr_t fp)
{
	uint32_t flags;
	uintptr_t frame = green_on_stack(t, dest) ? frame_of(t, dest, fp, &flags) : 0;

	if (!frame || flags & GREEN_MAP_SHARED || t->all_held)
		return false;
	for (const struct green_escape *e = first(t); e < end(t); e++)
		if (e->addr < frame && (e->end >= frame || e->end == e->addr + 1))
			return false;
	return true;
}

/* ... and perhaps one names it: at @dest. */
void do_green_escape_to(uintptr_t value, uintptr_t dest, uintptr_t fp);
void do_green_escape_to(uintptr_t value, uintptr_t dest, uintptr_t fp)
{
	struct green *t = current();

	if (t && green_on_stack(t, value) && !free_local(t, dest, fp))
		escape(t, value, fp);
}

/* ... to a local that is known, and @value may be an address in that. */
void do_green_escape_loop(uintptr_t value, uintptr_t dest, uintptr_t fp);
void do_green_escape_loop(uintptr_t value, uintptr_t dest, uintptr_t fp)
{
	struct green *t = current();
	uintptr_t frame;

	if (!t || !green_on_stack(t, value) || pinned(t, value))
		return;
	frame = frame_end(t, value, fp);
	/* Not of another activation: what leads here must lead to a pinned frame. */
	if (!frame || frame_end(t, dest, fp) != frame)
		pin(t, value, frame);
}

/* The @n bytes at @src are about to be copied to such a place. */
void do_green_escape_copy(uintptr_t src, size_t n, uintptr_t fp);
void do_green_escape_copy(uintptr_t src, size_t n, uintptr_t fp)
{
	struct green *t = current();
	uintptr_t last = src + n, addr = (src + 7) & ~7UL, lo, hi;

	if (!t || !green_range_of(t, src, &lo, &hi))
		return;
	if (last > hi || last < src)
		last = hi;
	for (; addr + 8 <= last; addr += 8)
		escape(t, *(const uintptr_t *)addr, fp);
}

void do_green_escape_copy_to(uintptr_t src, size_t n, uintptr_t dest, uintptr_t fp);
void do_green_escape_copy_to(uintptr_t src, size_t n, uintptr_t dest, uintptr_t fp)
{
	struct green *t = current();

	/* Words must land on words. */
	if (t && ((dest ^ src) % 8 || !free_local(t, dest, fp)))
		do_green_escape_copy(src, n, fp);
}

/* @value is about to be passed to @callee, which may keep it unless it asks here. */
void do_green_escape_lend(uintptr_t value, const void *callee, uintptr_t fp);
void do_green_escape_lend(uintptr_t value, const void *callee, uintptr_t fp)
{
	struct green *t = current();

	if (t && green_on_stack(t, value) && !(green_map_flags_of(callee) & GREEN_MAP_BARRIERS))
		escape(t, value, fp);
}

/*
 * ... and so are those of six arguments, the last first in @word, that @mask has bits
 * for.
 */
void do_green_lend(const uintptr_t *word, unsigned int mask, const void *callee,
		   uintptr_t fp);
void do_green_lend(const uintptr_t *word, unsigned int mask, const void *callee,
		   uintptr_t fp)
{
	unsigned int i;

	for (i = 0; i < 6; i++)
		if (mask & 1U << i)
			do_green_escape_lend(word[5 - i], callee, fp);
}

/*
 * Forget what lies below @addr. A pin that spans it is a rest of a frame that is
 * gone, and has covered what was to be pinned since.
 */
static void forget(struct green *t, uintptr_t addr)
{
	struct green_escapes *e;
	struct green_escape *p;
	unsigned int i = 0;

	if (!t->rare)
		return;
	e = &t->rare->escapes;
	p = pins(t);
	while (i < e->nr) {
		if (p[i].addr >= addr) {
			i++;
		} else if (p[i].last >= addr) {
			p[i++].addr = addr;
		} else {
			p[i] = p[--e->nr];
		}
	}
}

void do_green_escape_end(uintptr_t fp);
void do_green_escape_end(uintptr_t fp)
{
	struct green *t = current();

	if (!t) {
		green_escape_low = UINTPTR_MAX;
		return;
	}
	if (!green_on_stack(t, fp))
		return;
	forget(t, fp + 16);
	set_low(t);
}

/*
 * The local of @size bytes at @local is dead, in the frame of @fp, and with it all its
 * addresses, also one past the end: nothing else that is pinned lies there.
 */
void do_green_escape_dead(uintptr_t local, size_t size, uintptr_t fp);
void do_green_escape_dead(uintptr_t local, size_t size, uintptr_t fp)
{
	struct green *t = current();
	struct green_escapes *e;
	struct green_escape *p;
	unsigned int i = 0;

	if (!t || !t->rare || !green_on_stack(t, fp))
		return;
	e = &t->rare->escapes;
	p = pins(t);
	while (i < e->nr)
		if (p[i].end == fp + 16 && p[i].addr >= local && p[i].last <= local + size)
			p[i] = p[--e->nr];
		else
			i++;
	set_low(t);
}

void green_escape_prune(struct green *t)
{
	forget(t, t->sp);
	if (t == green_worker->current)
		set_low(t);
}

bool green_escape_in(const struct green *t, uintptr_t lo, uintptr_t hi)
{
	if (t->all_held)
		return true;
	for (const struct green_escape *e = first(t); e < end(t); e++)
		if (e->addr >= lo && e->addr < hi)
			return true;
	return false;
}
