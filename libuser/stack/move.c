/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Moving a stack: prove, collect, move, adjust. Nothing is touched before the
 * proof is whole; from the backend's move on nothing can fail. Stacks below the
 * crossover are copied, larger ones have their pages moved.
 */
#include "base/assert.h"
#include "base/debug.h"
#include "base/fail.h"
#include "base/lock.h"
#include "base/handle.h"
#include "base/parts.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "io/call.h"
#include "memory/backend.h"
#include "memory/sizes.h"
#include "memory/slot.h"
#include "sched/wait.h"
#include "stack/bounds.h"
#include "stack/move.h"
#include "stack/prove.h"
#include "stack/prove_defers.h"
#include "stack/refusal.h"
#include "stack/segment.h"
#include "unwind/panic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What one MOVE of the module takes; the rest is adjusted after it. */
#define MAX_RELOCS 65536u

/*
 * The mutation switch: whether this adjustment is the one to leave out, as if a
 * map had not named the word. The moves go on, for what they go along themselves
 * is adjusted; what goes wrong, the program has to notice.
 */
static bool left_out(void)
{
	static unsigned int nr;

	return green_rt.debug.skip && ++nr % green_rt.debug.skip == 0;
}

/* Word @i of the stack. */
static bool skipped(const struct green_proof *p, size_t i)
{
	return p->chain && !(p->chain[i / 64] >> i % 64 & 1) && left_out();
}

/* The set bits, as ascending word indices. */
static uint32_t *collect(const struct green_proof *p,
			 uint32_t *nr)
{
	size_t i, n = green_proof_longs(p);
	uint32_t *list = malloc((p->nr + 1) * sizeof(*list));

	*nr = 0;
	if (!list)
		return NULL;
	for (i = 0; i < n; i++) {
		uint64_t bits = p->bits[i];

		for (; bits; bits &= bits - 1) {
			size_t word = i * 64 + __builtin_ctzll(bits);

			if (!skipped(p, word))
				list[(*nr)++] = word;
		}
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

static void adjust_rare(struct green_rare *r, uintptr_t lo, uintptr_t hi, long delta)
{
	struct green_panic *p;

	for (p = r->panics; p; p = p->link)
		if (p->sp >= lo && p->sp < hi)
			p->sp += delta;
	if (r->exiting >= lo && r->exiting < hi)
		r->exiting += delta;
}

/*
 * What describes the stack that sp is on, after a move: the bounds are the slot's, and what
 * lies on it lies at or above sp.
 */
static void check_settled(const struct green *t, const struct green_proof *p, long delta)
{
	uintptr_t try = (uintptr_t)t->try;

	(void)p;
	(void)delta;
	(void)try;
	green_assert(delta % 16 == 0);
	green_assert(t->lo == t->slot->lo && t->hi == t->slot->hi);
	green_assert(t->lo <= t->sp && t->sp < t->hi);
	green_assert(!t->segment || (uintptr_t)(t->segment + 1) == t->hi);
	/* Nothing points to where the stack was. */
	green_assert(!(try >= p->lo && try < p->hi));
	green_assert(!((uintptr_t)t->defers >= p->lo && (uintptr_t)t->defers < p->hi));
	green_assert(!t->rare || !(t->rare->exiting >= p->lo && t->rare->exiting < p->hi));
	/* What entry tests have secured is there; but for a stack of the same size. */
	green_assert(t->hi - t->lo == p->hi - p->lo ||
		     p->secured + delta >= t->lo + green_slot_slack(t->slot));
}

/* The stack is at its new place: adjust what points to it from outside. */
static void settle(struct green *t, struct green_slot *slot,
		   const struct green_proof *p, long delta)
{
	size_t i;

	green_adjust_defers(t, p->base, p->hi, delta);
	if (t->rare)
		adjust_rare(t->rare, p->base, p->hi, delta);
	if (t->wait && t->wait->adjust)
		t->wait->adjust(t, p->base, p->hi, delta);
	for (i = 0; i < p->nr_older; i++) {
		green_assert(*p->older[i] >= p->base && *p->older[i] < p->hi);
		if (!left_out())
			*p->older[i] += delta;
	}
	if (within(t->try, p))
		t->try = (void *)((uintptr_t)t->try + delta);
	if (t->segment)
		t->segment = (void *)((uintptr_t)t->segment + delta);
	t->sp += delta;
	green_stack_set(t, slot);
	t->moves++;
	check_settled(t, p, delta);
}

/* Into pages that are there, and the old ones stay for the next: no call. */
static void copy_stack(const struct green_proof *p, long delta)
{
	uint64_t *words = (uint64_t *)(p->base + delta);
	size_t i, n = green_proof_longs(p);

	memcpy((void *)(p->sp + delta), (const void *)p->sp, p->hi - p->sp);
	for (i = 0; i < n; i++) {
		uint64_t bits = p->bits[i];

		for (; bits; bits &= bits - 1) {
			size_t word = i * 64 + __builtin_ctzll(bits);

			green_assert(words[word] >= p->base && words[word] < p->hi);
			if (!skipped(p, word))
				words[word] += delta;
		}
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
	struct green *current = green_hide();
	int err = 0;

	/* Only its own worker, or nobody, has its stack in use. */
	green_assert(t->state != STATE_RUNNING || t == current);
	green_assert(!t->pins && t->lo <= t->sp && t->sp < t->hi);
	green_assert(slot != old && (slot->hi <= old->lo || old->hi <= slot->lo));
	green_assert(!t->segment || slot->hi <= t->segment->lo);
	if (copy)
		copy_stack(p, delta);
	else
		err = move_pages(p, old, delta);
	if (!err)
		settle(t, slot, p, delta);
	green_show(current);
	if (err)
		return err;
	green_trace(2, "moved: %s %llu: %zu bytes, %zu pointers, %lx to %lx",
		    t->name ? t->name : "thread", (unsigned long long)t->id, p->hi - p->sp,
		    p->nr + p->nr_older, p->hi, slot->hi);
	if (green_rt.debug.verify)
		verify(t, p);
	if (t->segment)
		green_slot_put_segment(old);
	else
		green_slot_put(old);
	green_count(words_adjusted, p->nr - p->nr_chain + p->nr_older);
	green_count(moved_bytes, p->hi - p->sp);
	if (!copy && green_rt.backend == &green_backend_module)
		green_count(moves_kernel, 1);
	else
		green_count(moves_copy, 1);
	if (t->io && t->io->busy)
		green_count(moves_io, 1);
	return 0;
}

/* No less than live frames have secured, nor beyond max_stack for it. */
static int settle_size(const struct green *t, const struct green_proof *p, bool exact,
		       size_t *size)
{
	size_t least = green_bytes_for(p->hi - p->secured), old = green_slot_bytes(t->slot);

	if (*size >= least || *size == old)
		return 0;
	if (exact || (*size < old && least >= old))
		return -ENOSPC;
	*size = least;
	return green_stack_bytes(t) - (t->hi - t->lo) + least > green_rt.opt.max_stack ?
	       -ENOSPC : 0;
}

static int try_move(struct green *t, size_t size, bool exact, struct green_nomove *why)
{
	struct green_slot *slot;
	struct green_proof p;
	bool packed, copy;
	int err;

	*why = (struct green_nomove){ 0 };
	if (size && green_stack_bytes(t) - (t->hi - t->lo) + size > green_rt.opt.max_stack)
		return -ENOSPC;
	err = green_prove(t, &p, why);
	if (err)
		return err;
	err = size ? settle_size(t, &p, exact, &size) : 0;
	if (err)
		goto out;
	if (!size)
		size = green_slot_bytes(t->slot);
	packed = !t->guarded && size <= green_sizes[GREEN_PACKED - 1].bytes;
	copy = packed || t->slot->slab ||
	       (!green_rt.debug.seal && p.hi - p.sp < green_rt.crossover);
	slot = green_slot_get(size, packed ? SLOT_ANY : copy ? SLOT_GUARDED : SLOT_COLD,
			      green_gap_of(t, size), t->segment ? t->segment->lo : UINTPTR_MAX);
	err = -ENOMEM;
	if (!slot)
		goto out;
	err = -ENOSPC;
	/* What is as large as the old one will do, however little is left of it. */
	if (slot->size != t->slot->size &&
	    slot->hi - slot->lo < p.hi - (copy || p.secured < p.base ? p.secured : p.base) + green_slot_slack(slot))
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

int green_try_move(struct green *t, size_t size, struct green_nomove *why)
{
	return try_move(t, size, false, why);
}

int green_move(struct green *t, size_t size, struct green_nomove *why)
{
	struct green_nomove own;
	int err;

	if (!why)
		why = &own;
	err = try_move(t, size, true, why);
	if (err == -EBUSY)
		green_count_refusal(why);
	return err;
}

/* May it be moved: is it one's own, or does it wait, and is now held? */
static bool is_movable(struct green *t, bool *held)
{
	*held = false;
	if (t == green_worker->current || (!green_shared && t->state == STATE_READY))
		return true;
	*held = green_hold(t);
	return *held;
}

int rt_stack_move(green_t *handle, size_t size, struct green_nomove *why)
{
	struct green *t = green_of_locked(handle);
	struct green_nomove own;
	bool held, movable;
	int err;

	if (!t)
		return -EINVAL;
	movable = is_movable(t, &held);
	/* What is held does not end. */
	green_spin_unlock(&t->lock, RANK_THREAD);
	if (movable) {
		err = green_move(t, size, &own);
	} else {
		err = green_refuse(&own, GREEN_NOMOVE_RUNNING, NULL);
		green_count_refusal(&own);
	}
	if (held)
		green_let_go(t);
	/* @why may lie on the stack that moves: it is filled where it was. */
	if (err == -EBUSY && why)
		*why = own;
	return err;
}

/* Debugging: a runtime call is about to return; move the stack under it. */
void green_after(struct green_worker *w)
{
	green_move(w->current, 0, NULL);
}

int rt_pin(void)
{
	green_worker->current->pins++;
	return 0;
}

int rt_unpin(void)
{
	if (!green_worker->current->pins)
		return -EINVAL;
	green_worker->current->pins--;
	return 0;
}

/* What another worker's thread does meanwhile may be in it, or not. */
int rt_stack_info(green_t *handle, struct green_stack_info *info)
{
	struct green *t = green_of_locked(handle);

	if (!t)
		return -EINVAL;
	if (green_state(t) == STATE_DONE) {
		green_spin_unlock(&t->lock, RANK_THREAD);
		return -EINVAL;
	}
	*info = (struct green_stack_info){
		.lo = t->lo, .hi = t->hi, .moves = t->moves,
		/* Unless it is on a stack that the program has made. */
		.used = t->sp >= t->lo && t->sp < t->hi ? t->hi - t->sp : 0,
	};
	green_spin_unlock(&t->lock, RANK_THREAD);
	return 0;
}
