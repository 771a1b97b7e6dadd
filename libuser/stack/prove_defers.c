/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Whether deferred calls may move with their stack. The rules are those by which Go
 * checks a goroutine's defers before it copies the stack (golang.org/cl/84740043).
 */
#include "base/debug.h"
#include "base/fail.h"
#include "base/parts.h"
#include "base/thread.h"
#include "maps/registry.h"
#include "maps/symbol.h"
#include "memory/arena.h"
#include "stack/bounds.h"
#include "stack/prove.h"
#include "stack/prove_defers.h"
#include "stack/refusal.h"

static bool within(const void *p, uintptr_t lo, uintptr_t hi)
{
	return (uintptr_t)p >= lo && (uintptr_t)p < hi;
}

/*
 * The scope of the newest record, which is to be there still: if it was left in a way
 * that nobody noticed, it lies below the caller's sp, or others have written there.
 */
struct green_scope *green_defer_scope(const struct green *t)
{
	struct green_scope *s = (struct green_scope *)t->defers->argp;
	uintptr_t at = (uintptr_t)s;
	bool gone = green_in_slots(at) && (!green_on_stack(t, at) ||
		    (green_on_stack(t, t->sp) && at < t->sp));

	if (gone || (s->pending & ~GREEN_SCOPE_CALLS) != GREEN_SCOPE_MARK || !(s->pending & GREEN_SCOPE_CALLS))
		green_die(t, "a GREEN_SCOPE with deferred calls was left in a way that libgreen does not see");
	return s;
}

/* Whether a word of the stack belongs to a record that lies there. */
bool green_word_in_record(struct green *t, uintptr_t addr)
{
	struct green_defer *rec;

	for (rec = t->defers; rec; rec = rec->link)
		if (within((void *)addr, (uintptr_t)rec, (uintptr_t)(rec + 1)))
			return true;
	return false;
}

/*
 * The caller's macro and the function's map must agree on an argument that
 * looks like a stack address; *adjust says whether it is one.
 */
static int prove_arg(const struct green_defer *rec, const struct green_map *f,
		     unsigned int i, struct green_proof *p, bool *adjust,
		     struct green_nomove *why)
{
	/* What the function itself says. */
	unsigned int kind = green_map_arg(f, i);
	bool pointer = rec->kinds >> i & 1;

	*adjust = false;
	if (!within((void *)rec->args[i], p->sp, p->hi))
		return 0;
	if (pointer && (rec->flags & GREEN_RECORD_CLOSURE || kind == GREEN_ARG_POINTER)) {
		*adjust = true;
		return 0;
	}
	if (!pointer && kind == GREEN_ARG_SCALAR)
		return 0;
	return green_refuse(why, GREEN_NOMOVE_AMBIGUOUS, (void *)rec->fn);
}

/* A closure in the heap may hold no stack address; one on the stack is mapped. */
static int prove_closure(const struct green_defer *rec, struct green_proof *p,
			 struct green_nomove *why)
{
	const struct green_closure *c = (const void *)rec->args[0];
	const uintptr_t *word = (const void *)c;
	size_t i;

	if (within(c, p->sp, p->hi))
		return 0;
	for (i = 0; i < c->size / sizeof(*word); i++)
		if (within((void *)word[i], p->sp, p->hi))
			return green_refuse(why, GREEN_NOMOVE_ESCAPED, (void *)rec->fn);
	return 0;
}

static int prove_function(const struct green_defer *rec, struct green_nomove *why,
			  struct green_map *f)
{
	if (!green_map_find((void *)rec->fn, f)) {
		if (!green_is_code((void *)rec->fn))
			return green_refuse(why, GREEN_NOMOVE_DEFER_UNKNOWN,
					    (void *)rec->fn);
		return green_refuse(why, GREEN_NOMOVE_DEFER_FOREIGN, (void *)rec->fn);
	}
	if (f->start != (void *)rec->fn)
		return green_refuse(why, GREEN_NOMOVE_DEFER_UNKNOWN, (void *)rec->fn);
	/*
	 * Only the argument map is needed. But a function that has no map of its
	 * locals came from foreign code, whose layout is not to be trusted.
	 */
	if (!(f->flags & GREEN_MAP_ARGS) || !(f->flags & GREEN_MAP_LOCALS))
		return green_refuse(why, GREEN_NOMOVE_DEFER_FOREIGN, (void *)rec->fn);
	return 0;
}

static int prove_record(const struct green_defer *rec, struct green_proof *p,
			bool on_stack, struct green_nomove *why)
{
	struct green_map f;
	unsigned int i;
	bool adjust;
	int err;

	err = prove_function(rec, why, &f);
	if (err)
		return err;
	green_trace(3, "  defer of %s, %u arguments, %s", f.name, rec->nr_args,
		    on_stack ? "on the stack" : "in the heap");
	if (rec->flags & GREEN_RECORD_CLOSURE) {
		err = prove_closure(rec, p, why);
		if (err)
			return err;
	}
	for (i = 0; i < rec->nr_args; i++) {
		err = prove_arg(rec, &f, i, p, &adjust, why);
		if (err)
			return err;
		if (adjust && on_stack)
			green_proof_set(p, (uintptr_t)&rec->args[i]);
	}
	if (on_stack) {
		if (within(rec->link, p->base, p->hi))
			green_proof_set_chain(p, (uintptr_t)&rec->link);
		if (within(rec->argp, p->base, p->hi))
			green_proof_set_chain(p, (uintptr_t)&rec->argp);
	}
	return 0;
}

/*
 * Newest first. The frame walk has covered the storage of a record on the
 * stack; its function and arguments are looked at here all the same, because
 * its words are untyped to the frame's map.
 */
int green_prove_defers(struct green *t, struct green_proof *p,
		       struct green_nomove *why)
{
	const struct green_defer *rec;
	int err;

	if (t->defers)
		green_defer_scope(t);
	if (t->rare && t->rare->call.fn) {
		err = prove_record(&t->rare->call, p, false, why);
		if (err)
			return err;
	}
	for (rec = t->defers; rec; rec = rec->link) {
		bool on_stack = within(rec, p->lo, p->hi);

		if (!on_stack && !within(rec->argp, p->lo, p->hi))
			break;		/* a defer of the next segment */
		err = prove_record(rec, p, on_stack, why);
		if (err)
			return err;
	}
	return 0;
}

static void adjust_args(struct green_defer *rec, uintptr_t lo, uintptr_t hi, long delta)
{
	unsigned int i;

	for (i = 0; i < rec->nr_args; i++)
		if (rec->kinds >> i & 1 && within((void *)rec->args[i], lo, hi))
			rec->args[i] += delta;
}

/* After the move: the chain's head, and the records in the heap. */
void green_adjust_defers(struct green *t, uintptr_t lo, uintptr_t hi, long delta)
{
	struct green_defer *rec;

	if (t->rare && t->rare->call.fn)
		adjust_args(&t->rare->call, lo, hi, delta);
	if (within(t->defers, lo, hi))
		t->defers = (void *)((uintptr_t)t->defers + delta);
	for (rec = t->defers; rec; rec = rec->link) {
		if (within(rec, lo + delta, hi + delta))
			continue;	/* moved, and adjusted with the stack */
		if (!within(rec->argp, lo, hi))
			break;
		rec->argp = (const char *)rec->argp + delta;
		if (within(rec->link, lo, hi))
			rec->link = (void *)((uintptr_t)rec->link + delta);
		adjust_args(rec, lo, hi, delta);
	}
}
