/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Moving a stack: prove, collect, move, adjust. Nothing is touched before the
 * proof is whole; from the backend's move on nothing can fail. Stacks below the
 * crossover are copied, larger ones have their pages moved.
 */
#define _GNU_SOURCE
#include "internal.h"
#include "backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * Where a stack cannot grow, the call goes on if so much is left: for foreign code,
 * which may need less than was asked for; and for what is not tested.
 */
#define FOREIGN_LEAST	8192
#define UNTESTED	640

/* Crossings of a border without a proof. */
#define RETRY	64

/* What one MOVE of the module takes; the rest is adjusted after it. */
#define MAX_RELOCS 65536u

/* The mutation switch: whether this adjustment is the one to leave out. */
static bool skipped(void)
{
	static unsigned int nr;

	return green_rt.debug.skip && ++nr % green_rt.debug.skip == 0;
}

/* The set bits, as ascending word indices. */
static uint32_t *collect(const struct green_proof *p,
			 uint32_t *nr)
{
	size_t i, n = (p->hi - p->base) / 512 + 1;
	uint32_t *list = malloc((p->nr + 1) * sizeof(*list));

	*nr = 0;
	if (!list)
		return NULL;
	for (i = 0; i < n; i++) {
		uint64_t bits = p->bits[i];

		for (; bits; bits &= bits - 1)
			if (!skipped())
				list[(*nr)++] = i * 64 + __builtin_ctzll(bits);
	}
	return list;
}

/* A large local that was never touched leaves holes; moves take none. */
static void touch_pages(uintptr_t lo, uintptr_t hi)
{
	for (; lo < hi; lo += GREEN_PAGE)
		*(volatile const char *)lo;
}

static bool within(const void *addr, const struct green_proof *p)
{
	return (uintptr_t)addr >= p->base && (uintptr_t)addr < p->hi;
}

/* The stack is at its new place: adjust what points to it from outside. */
static void settle(struct green *t, struct green_slot *slot,
		   const struct green_proof *p, long delta)
{
	size_t i;

	green_adjust_defers(t, p->base, p->hi, delta);
	for (i = 0; i < p->nr_older; i++)
		*p->older[i] += delta;
	if (within(t->try, p))
		t->try = (void *)((uintptr_t)t->try + delta);
	if (t->segment)
		t->segment = (void *)((uintptr_t)t->segment + delta);
	t->sp += delta;
	green_stack_set(t, slot);
	t->moves++;
}

/* Into pages that are there, and the old ones stay for the next: no call. */
static void copy_stack(const struct green_proof *p, long delta)
{
	uint64_t *words = (uint64_t *)(p->base + delta);
	size_t i, n = (p->hi - p->base) / 512 + 1;

	memcpy((void *)(p->sp + delta), (const void *)p->sp, p->hi - p->sp);
	for (i = 0; i < n; i++) {
		uint64_t bits = p->bits[i];

		for (; bits; bits &= bits - 1)
			if (!skipped())
				words[i * 64 + __builtin_ctzll(bits)] += delta;
	}
}

/* By the backend, which seals the old pages. All or nothing. */
static int move_pages(const struct green_proof *p,
		      struct green_slot *old, long delta)
{
	struct green_relocs r = { .delta = delta };
	uint32_t *list, nr, i;
	int err;

	list = collect(p, &nr);
	if (!list)
		return -ENOMEM;
	touch_pages(p->base, p->hi);
	r.word = list;
	r.nr = nr < MAX_RELOCS ? nr : MAX_RELOCS;
	err = green_rt.backend->move(p->base + delta, p->base, p->hi - p->base, &r);
	if (!err) {
		for (i = r.nr; i < nr; i++)
			((uint64_t *)(p->base + delta))[list[i]] += delta;
		/* What lies below the moved pages is dead, and goes too. */
		if (p->base > old->lo)
			green_rt.backend->seal(old->lo, p->base - old->lo);
		old->sealed = true;
	}
	free(list);
	return err;
}

static bool is_set(const struct green_proof *p, uintptr_t addr)
{
	size_t i = (addr - p->base) / 8;

	return p->bits[i / 64] >> i % 64 & 1;
}

/* Debugging: the proof of the moved stack must find the same words. */
static void verify(struct green *t, const struct green_proof *p)
{
	struct green_nomove why;
	struct green_proof q;
	bool same;

	if (green_prove(t, &q, &why))
		green_die(t, "verify: after its move it cannot be proved: %s %s",
			  green_nomove_name(why.reason), why.function);
	same = q.nr == p->nr && q.nr_older == p->nr_older;
	for (uintptr_t addr = p->sp; same && addr < p->hi; addr += 8)
		same = is_set(p, addr) == is_set(&q, addr - p->hi + q.hi);
	if (!same)
		green_die(t, "verify: after its move %zu words of %zu are pointers into it",
			  q.nr, p->nr);
	green_proof_free(&q);
}

static int commit(struct green *t, struct green_slot *slot,
		  const struct green_proof *p, bool copy)
{
	long delta = (long)(slot->hi - p->hi);
	struct green_slot *old = t->slot;
	int err = 0;

	if (copy)
		copy_stack(p, delta);
	else
		err = move_pages(p, old, delta);
	if (err)
		return err;
	settle(t, slot, p, delta);
	green_trace(2, "moved: %s %llu: %zu bytes, %zu pointers, %lx to %lx",
		    t->name ? t->name : "thread", (unsigned long long)t->id, p->hi - p->sp,
		    p->nr + p->nr_older, p->hi, slot->hi);
	if (green_rt.debug.verify)
		verify(t, p);
	green_slot_put(old);
	green_rt.stats.words_adjusted += p->nr;
	green_rt.stats.moved_bytes += p->hi - p->sp;
	if (!copy && green_rt.backend == &green_backend_module)
		green_rt.stats.moves_kernel++;
	else
		green_rt.stats.moves_copy++;
	if (t->io.busy)
		green_rt.stats.moves_io++;
	return 0;
}

/* @size: bytes of the new slot, 0: as the old. A refusal is not counted. */
int green_try_move(struct green *t, size_t size, struct green_nomove *why)
{
	struct green_slot *slot;
	struct green_proof p;
	bool copy;
	int err;

	*why = (struct green_nomove){ 0 };
	if (size && green_stack_bytes(t) - (t->hi - t->lo) + size > green_rt.opt.max_stack)
		return -ENOSPC;
	err = green_prove(t, &p, why);
	if (err)
		return err;
	if (!size)
		size = green_slot_bytes(t->slot);
	copy = t->slot->slab || size <= green_sizes[GREEN_PACKED - 1].bytes ||
	       (!green_rt.debug.seal && p.hi - p.sp < green_rt.crossover);
	slot = green_slot_get(size, copy ? SLOT_ANY : SLOT_COLD,
			      t->segment ? t->segment->lo : UINTPTR_MAX);
	err = -ENOMEM;
	if (!slot)
		goto out;
	err = -ENOSPC;
	/* What is as large as the old one will do, however little is left of it. */
	if (slot->size != t->slot->size &&
	    slot->hi - slot->lo < p.hi - (copy ? p.sp : p.base) + green_slot_slack(slot))
		goto err_slot;
	err = commit(t, slot, &p, copy);
	if (err)
		goto err_slot;
	goto out;

err_slot:
	green_slot_put(slot);
out:
	green_proof_free(&p);
	return err;
}

int green_move(struct green *t, size_t size, struct green_nomove *why)
{
	struct green_nomove own;
	int err;

	if (!why)
		why = &own;
	err = green_try_move(t, size, why);
	if (err == -EBUSY)
		green_count_refusal(why);
	return err;
}

int green_do_green_stack_move(struct green *t, size_t size, struct green_nomove *why);
int green_do_green_stack_move(struct green *t, size_t size, struct green_nomove *why)
{
	struct green_nomove own;
	int err;

	/* @why may lie on the stack that moves: it is filled where it was. */
	err = green_move(t, size, &own);
	if (err == -EBUSY && why)
		*why = own;
	return err;
}

/* Debugging: a runtime call is about to return; move the stack under it. */
void green_after(struct green_worker *w)
{
	green_move(w->current, 0, NULL);
}

/*
 * A call in a loop crosses the same border each time: what refused the last move
 * is likely to be there still, and proofs cost more than segments. Now and then
 * it is tried again.
 */
static bool refused_lately(struct green *t)
{
	if (t->border != t->sp)
		return false;
	return ++t->crossings % RETRY;
}

/* A function that has not laid out its frame, or NULL. */
static const struct green_entry *in_front(const struct green *t)
{
	const struct green_saved *s = (const void *)t->sp;

	return s->pc == (uintptr_t)green_stack_morestack_return ? (const void *)(s + 1) : NULL;
}

/*
 * Grow the stack by a move, or by a segment. Only a function that has not laid
 * out its frame can begin one.
 */
static int move_or_begin(struct green *t, size_t size, uint64_t need,
			 struct green_nomove *why)
{
	const struct green_entry *entry = in_front(t);
	int err;

	if (entry && (entry->flags & ENTRY_FIXED || refused_lately(t)))
		return green_segment_begin(t, need);
	err = green_try_move(t, size, why);
	if (err == -EBUSY && entry) {
		t->border = t->sp;
		err = green_segment_begin(t, need);
	}
	if (err == -EBUSY)
		green_count_refusal(why);
	return err;
}

/*
 * Debugging: with move=entry every entry check comes here. True: there was
 * room enough, the stack need not grow.
 */
static bool entry_check_only(struct green *t, uint64_t need)
{
	static unsigned int nr;
	size_t room = t->sp - t->lo;
	struct green_nomove why;

	if (!green_rt.debug.move_entry || room < green_slot_slack(t->slot) + need)
		return false;
	/* What only begins segments would have as many as it has frames. */
	if (t->segment && in_front(t) && in_front(t)->flags & ENTRY_FIXED)
		return true;
	if (++nr % green_rt.debug.move_entry == 0)
		move_or_begin(t, 0, need, &why);
	return true;
}

static size_t larger(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* The largest size that its newest segment may have. */
static size_t largest_stack(const struct green *t)
{
	size_t most = green_rt.opt.max_stack - (green_stack_bytes(t) - (t->hi - t->lo));
	unsigned int size = 0;

	while (size + 1 < GREEN_SIZES && green_sizes[size + 1].bytes <= most)
		size++;
	return green_sizes[size].bytes;
}

/*
 * Of a need that comes from a test in front of a function, what the frame takes;
 * the rest is a guess (greencc's channel.h).
 */
static uint64_t frame_of(uint64_t need)
{
	if (need & 1)
		need -= 32UL << 10;
	if (need & 2)
		need -= 256UL << 10;
	return need & ~7UL;
}

/*
 * An entry check found less than @need bytes and the slack left, of which the
 * caller takes @taken at once; UINT64_MAX: see above. Without a larger stack the
 * call goes on as long as there is room for those: the rest is a guess, and what
 * goes beyond meets the sealed page.
 */
void green_do_stack_grow(uint64_t need, uint64_t taken);
void green_do_stack_grow(uint64_t need, uint64_t taken)
{
	struct green *t = green_worker->current;
	struct green_nomove why;
	size_t used = t->hi - t->sp, bytes = 2 * green_slot_bytes(t->slot);
	int err;

	if (taken == UINT64_MAX)
		taken = frame_of(need);
	/* alloca() of any number. */
	if (need > GREEN_LARGEST_STACK)
		need = taken = GREEN_LARGEST_STACK;
	if (entry_check_only(t, need))
		return;
	err = move_or_begin(t, larger(bytes, green_bytes_for(used + need)), need, &why);
	/* Less than was asked for is better than nothing. */
	if (err == -ENOSPC && need > taken && largest_stack(t) >= bytes)
		err = move_or_begin(t, largest_stack(t), taken + FOREIGN_LEAST, &why);
	if (!err)
		return;
	if (t->sp - t->lo > taken + (need > taken ? FOREIGN_LEAST : UNTESTED))
		return;
	if (err == -EBUSY)
		green_die(t, "its stack of %zu bytes is full and may not move: %s %s",
			  (size_t)(t->hi - t->lo), green_nomove_name(why.reason),
			  why.function);
	green_die(t, "its stack of %zu bytes is full: %s", (size_t)(t->hi - t->lo),
		  err == -ENOSPC ? "it has reached max_stack" : strerrordesc_np(-err));
}

int green_do_green_pin(void);
int green_do_green_pin(void)
{
	green_worker->current->pins++;
	return 0;
}

int green_do_green_unpin(void);
int green_do_green_unpin(void)
{
	if (!green_worker->current->pins)
		return -EINVAL;
	green_worker->current->pins--;
	return 0;
}

int green_do_green_stack_info(struct green *t, struct green_stack_info *info);
int green_do_green_stack_info(struct green *t, struct green_stack_info *info)
{
	if (!t || t->state == STATE_DONE)
		return -EINVAL;
	*info = (struct green_stack_info){
		.lo = t->lo, .hi = t->hi, .used = t->hi - t->sp, .moves = t->moves,
	};
	return 0;
}
