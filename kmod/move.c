// SPDX-License-Identifier: GPL-2.0
/*
 * MOVE: give the pages of stack ranges other addresses, and relocate the words
 * in them that point into the stack.
 *
 * All or nothing. Everything is read from user space and checked, then the
 * destination's table leaves and PTEs are made: the last step that can fail,
 * and undone by unmapping. What follows (unmap the sources, which is also the
 * TLB flush; move the entries; relocate) needs no memory and cannot fail.
 */
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/uaccess.h>

#include <linux/green.h>

#include "arena.h"
#include "compat.h"
#include "move.h"
#include "trace.h"

#define WORD_SIZE	sizeof(u64)
#define WORDS_PER_PAGE	(PAGE_SIZE / WORD_SIZE)

/*
 * Requests up to this size need no allocation. Kernels that clear what is on
 * the stack do so at every call, so it is no larger than is usual.
 */
#define INLINE_MOVES	1
#define INLINE_RELOCS	64

/* A source or a destination of element @elem. */
struct green_range {
	u64 start;
	u64 end;
	u32 elem;
};

/**
 * struct green_mover - one MOVE request
 * @arena:	the context
 * @nr:		elements
 * @failed:	what to report as green_move.failed
 * @nr_relocs:	relocations of all elements
 * @nr_pages:	pages of all elements
 * @src:	the first element's, for the tracepoint
 * @dst:	the first element's, for the tracepoint
 * @vec:	@nr elements
 * @ranges:	their 2 * @nr ranges, by ascending start
 * @relocs:	@nr_relocs relocations, in the order of the elements
 * @inline_vec:		what @vec points to for a small request
 * @inline_ranges:	what @ranges points to then
 * @inline_relocs:	what @relocs points to when there are few
 */
struct green_mover {
	struct green_arena *arena;
	u32 nr;
	u32 failed;
	u32 nr_relocs;
	u64 nr_pages;
	u64 src;
	u64 dst;
	struct green_move_elem *vec;
	struct green_range *ranges;
	u32 *relocs;

	struct green_move_elem inline_vec[INLINE_MOVES];
	struct green_range inline_ranges[2 * INLINE_MOVES];
	u32 inline_relocs[INLINE_RELOCS];
};

/* What can be said of an element without its relocations or the arena. */
static int green_move_check_elem(const struct green_move_elem *elem)
{
	if (elem->pad || !elem->len ||
	    !PAGE_ALIGNED(elem->src | elem->dst | elem->len))
		return -EINVAL;
	if (elem->len > GREEN_MAX_ARENA || elem->src > U64_MAX - elem->len ||
	    elem->dst > U64_MAX - elem->len)
		return -ENXIO;
	return 0;
}

static int green_move_read_vec(struct green_mover *mv, u64 vec)
{
	const struct green_move_elem __user *uvec = u64_to_user_ptr(vec);
	u32 i;
	int err;

	if (mv->nr > INLINE_MOVES) {
		mv->vec = kmalloc_array(mv->nr, sizeof(*mv->vec), GFP_KERNEL);
		mv->ranges = kmalloc_array(2 * mv->nr, sizeof(*mv->ranges),
					   GFP_KERNEL);
		if (!mv->vec || !mv->ranges)
			return -ENOMEM;
	}

	/* One by one: a copy of constant size needs no check of its target. */
	for (i = 0; i < mv->nr; i++)
		if (copy_from_user(&mv->vec[i], uvec + i, sizeof(*uvec)))
			return -EFAULT;

	mv->src = mv->vec[0].src;
	mv->dst = mv->vec[0].dst;
	for (i = 0; i < mv->nr; i++) {
		err = green_move_check_elem(&mv->vec[i]);
		if (!err && mv->vec[i].nr_relocs > GREEN_MAX_RELOCS - mv->nr_relocs)
			err = -E2BIG;
		if (err) {
			mv->failed = i;
			return err;
		}
		mv->nr_relocs += mv->vec[i].nr_relocs;
		mv->nr_pages += mv->vec[i].len >> PAGE_SHIFT;
	}
	return 0;
}

static int green_move_read_relocs(struct green_mover *mv)
{
	const struct green_move_elem *elem;
	u32 *relocs;
	u32 i, j;

	if (mv->nr_relocs > INLINE_RELOCS) {
		mv->relocs = kvmalloc_array(mv->nr_relocs, sizeof(*mv->relocs),
					    GFP_KERNEL);
		if (!mv->relocs)
			return -ENOMEM;
	}

	relocs = mv->relocs;
	for (i = 0; i < mv->nr; i++) {
		elem = &mv->vec[i];
		if (!elem->nr_relocs)
			continue;

		mv->failed = i;
		if (copy_from_user(relocs, u64_to_user_ptr(elem->relocs),
				   elem->nr_relocs * sizeof(*relocs)))
			return -EFAULT;
		for (j = 1; j < elem->nr_relocs; j++)
			if (relocs[j] <= relocs[j - 1])
				return -ERANGE;
		if (relocs[j - 1] >= elem->len / WORD_SIZE)
			return -ERANGE;
		relocs += elem->nr_relocs;
	}
	mv->failed = mv->nr;
	return 0;
}

static int green_range_cmp(const void *a, const void *b)
{
	const struct green_range *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* Sorts the ranges. Of two that overlap, the later element is refused. */
static int green_move_check_overlap(struct green_mover *mv)
{
	struct green_range *r = mv->ranges;
	u32 i;

	for (i = 0; i < mv->nr; i++) {
		const struct green_move_elem *elem = &mv->vec[i];
		const u64 lower = min(elem->src, elem->dst);
		const u64 upper = max(elem->src, elem->dst);

		*r++ = (struct green_range){ lower, lower + elem->len, i };
		*r++ = (struct green_range){ upper, upper + elem->len, i };
	}
	if (mv->nr > 1)
		sort(mv->ranges, 2 * mv->nr, sizeof(*r), green_range_cmp, NULL);

	for (i = 1; i < 2 * mv->nr; i++) {
		r = &mv->ranges[i];
		if (r[0].start < r[-1].end) {
			mv->failed = max(r[0].elem, r[-1].elem);
			return -EBUSY;
		}
	}
	return 0;
}

static int green_move_check_pages(const struct green_arena *arena,
				  const struct green_move_elem *elem)
{
	unsigned long src = green_index(arena, elem->src);
	unsigned long dst = green_index(arena, elem->dst);
	unsigned long nr = elem->len >> PAGE_SHIFT;
	struct page **from, **to;
	unsigned long i, n;

	for (; nr; src += n, dst += n, nr -= n) {
		n = min(green_run(src, nr), green_run(dst, nr));
		from = green_slot(arena, src);
		to = green_slot(arena, dst);
		if (!from)
			return -ENODATA;
		for (i = 0; i < n; i++) {
			if (!green_is_populated(from[i]))
				return -ENODATA;
			if (to && green_is_populated(to[i]))
				return -EEXIST;
		}
		cond_resched();
	}
	return 0;
}

/* The words of a populated range, read or changed in ascending order. */
struct green_words {
	const struct green_arena *arena;
	unsigned long index;	/* the range's first page */
	u32 page;		/* the page, from there, that is at hand */
	u64 *words;		/* its words; NULL before the first */
};

static __always_inline u64 *green_word(struct green_words *w, u32 word)
{
	const u32 page = word / WORDS_PER_PAGE;

	if (!w->words || page != w->page) {
		w->words = page_address(*green_slot(w->arena, w->index + page));
		w->page = page;
	}
	return w->words + word % WORDS_PER_PAGE;
}

static int green_move_check_relocs(const struct green_arena *arena,
				   const struct green_move_elem *elem,
				   const u32 *relocs)
{
	struct green_words w = {
		.arena = arena,
		.index = green_index(arena, elem->src),
	};
	u32 i;

	for (i = 0; i < elem->nr_relocs; i++)
		if (READ_ONCE(*green_word(&w, relocs[i])) - elem->src > elem->len)
			return -EDOM;
	return 0;
}

/*
 * Arena locked. A source must hold all its pages, so what is allocated for a
 * destination is bounded by memory the caller already has.
 */
static int green_move_check_arena(struct green_mover *mv)
{
	struct green_arena *arena = mv->arena;
	const struct green_move_elem *elem;
	const u32 *relocs = mv->relocs;
	int err;
	u32 i;

	for (i = 0; i < mv->nr; i++) {
		elem = &mv->vec[i];
		err = -ENXIO;
		if (green_arena_contains(arena, elem->src, elem->len) &&
		    green_arena_contains(arena, elem->dst, elem->len))
			err = green_move_check_pages(arena, elem);
		if (!err)
			err = green_move_check_relocs(arena, elem, relocs);
		if (err) {
			mv->failed = i;
			return err;
		}
		relocs += elem->nr_relocs;
	}
	return 0;
}

static int green_move_map_elem(struct green_arena *arena,
			       const struct green_move_elem *elem)
{
	unsigned long index = green_index(arena, elem->src);
	unsigned long nr = elem->len >> PAGE_SHIFT;
	unsigned long addr = elem->dst;
	unsigned long n, left;
	int err;

	err = green_arena_add_leaves(arena, green_index(arena, addr), nr);
	if (err)
		return err;

	for (; nr; index += n, addr += n << PAGE_SHIFT, nr -= n) {
		n = green_run(index, nr);
		left = n;
		err = vm_insert_pages(arena->vma, addr, green_slot(arena, index),
				      &left);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Map the source's pages at the destinations as well. Destinations had no PTE,
 * so on failure all that they have goes.
 */
static int green_move_map(struct green_mover *mv)
{
	const struct green_move_elem *elem;
	u32 i;
	int err;

	for (i = 0; i < mv->nr; i++) {
		err = green_move_map_elem(mv->arena, &mv->vec[i]);
		if (err)
			goto unmap;
	}
	return 0;
unmap:
	mv->failed = i;
	do {
		elem = &mv->vec[i];
		green_zap(mv->arena->vma, elem->dst, elem->len);
	} while (i--);
	return err;
}

/* Adjacent sources share a zap, and so its TLB flush. */
static void green_move_unmap(const struct green_mover *mv)
{
	const struct green_range *r;
	u64 start = 0, end = 0;

	for (r = mv->ranges; r < mv->ranges + 2 * mv->nr; r++) {
		if (r->start != mv->vec[r->elem].src)
			continue;
		if (r->start != end) {
			if (end)
				green_zap(mv->arena->vma, start, end - start);
			start = r->start;
		}
		end = r->end;
	}
	green_zap(mv->arena->vma, start, end - start);
}

static void green_move_entries(const struct green_arena *arena,
			       const struct green_move_elem *elem)
{
	unsigned long src = green_index(arena, elem->src);
	unsigned long dst = green_index(arena, elem->dst);
	unsigned long nr = elem->len >> PAGE_SHIFT;
	struct page **from, **to;
	unsigned long i, n;

	for (; nr; src += n, dst += n, nr -= n) {
		n = min(green_run(src, nr), green_run(dst, nr));
		from = green_slot(arena, src);
		to = green_slot(arena, dst);
		for (i = 0; i < n; i++) {
			WRITE_ONCE(to[i], from[i]);
			WRITE_ONCE(from[i], GREEN_SEALED);
		}
		cond_resched();
	}
}

static void green_move_relocate(const struct green_arena *arena,
				const struct green_move_elem *elem,
				const u32 *relocs)
{
	struct green_words w = {
		.arena = arena,
		.index = green_index(arena, elem->dst),
	};
	u64 *word;
	u32 i;

	for (i = 0; i < elem->nr_relocs; i++) {
		word = green_word(&w, relocs[i]);
		WRITE_ONCE(*word, READ_ONCE(*word) + elem->delta);
	}
}

/* Nothing here can fail. */
static void green_move_commit(const struct green_mover *mv)
{
	const u32 *relocs = mv->relocs;
	u32 i;

	green_move_unmap(mv);
	for (i = 0; i < mv->nr; i++) {
		green_move_entries(mv->arena, &mv->vec[i]);
		green_move_relocate(mv->arena, &mv->vec[i], relocs);
		relocs += mv->vec[i].nr_relocs;
	}
	mv->arena->moves += mv->nr;
}

static int green_move_locked(struct green_mover *mv)
{
	int err;

	err = green_arena_enter(mv->arena);
	if (err)
		return err;

	err = green_move_check_arena(mv);
	if (!err)
		err = green_move_map(mv);
	if (!err)
		green_move_commit(mv);

	green_arena_leave(mv->arena);
	return err;
}

static int green_move_run(struct green_mover *mv, u64 vec)
{
	int err;

	err = green_move_read_vec(mv, vec);
	if (err)
		return err;
	err = green_move_read_relocs(mv);
	if (err)
		return err;
	err = green_move_check_overlap(mv);
	if (err)
		return err;
	return green_move_locked(mv);
}

static void green_move_free(struct green_mover *mv)
{
	if (mv->vec != mv->inline_vec)
		kfree(mv->vec);
	if (mv->ranges != mv->inline_ranges)
		kfree(mv->ranges);
	if (mv->relocs != mv->inline_relocs)
		kvfree(mv->relocs);
}

/**
 * green_move() - move the pages of a vector of ranges
 * @arena: the context
 * @req: the request; its size is checked
 * @failed: set to what green_move.failed is to say on failure
 *
 * Return: 0 or what struct green_move says; then nothing has changed.
 */
int green_move(struct green_arena *arena, const struct green_move *req,
	       u32 *failed)
{
	const bool traced = trace_green_move_enabled();
	u64 begin = traced ? ktime_get_ns() : 0;
	struct green_mover mv;
	int err;

	*failed = req->nr;
	if (req->flags || req->failed || !req->nr)
		return -EINVAL;
	if (req->nr > GREEN_MAX_MOVES)
		return -E2BIG;

	mv.arena = arena;
	mv.nr = req->nr;
	mv.failed = req->nr;
	mv.nr_relocs = 0;
	mv.nr_pages = 0;
	mv.src = 0;
	mv.dst = 0;
	mv.vec = mv.inline_vec;
	mv.ranges = mv.inline_ranges;
	mv.relocs = mv.inline_relocs;

	err = green_move_run(&mv, req->vec);
	if (traced)
		trace_green_move(mv.src, mv.dst, mv.nr, mv.nr_pages,
				 mv.nr_relocs, err, ktime_get_ns() - begin);
	green_move_free(&mv);
	*failed = mv.failed;
	return err;
}
