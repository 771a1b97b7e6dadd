/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Deferred calls, and whether they may move with their stack.
 *
 * The chain hangs on the thread, newest first. A record lies in the heap (ours)
 * or on the stack (green_defer_at); argp names the scope that it belongs to. The
 * rules of green_prove_defers() are those by which Go checks a goroutine's defers
 * before it copies the stack (golang.org/cl/84740043).
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECORD_HEAP	1u	/* ours to free */
#define RECORD_CLOSURE	2u
static_assert(!(CALL_UNTESTED & (RECORD_HEAP | RECORD_CLOSURE)), "a bit of its own");

/* What struct green_scope's pending has above the number of calls, while there are any. */
#define SCOPE_MARK	(0x67736370UL << 32)	/* "gscp" */
#define SCOPE_CALLS	0xffffffffUL

static bool within(const void *p, uintptr_t lo, uintptr_t hi)
{
	return (uintptr_t)p >= lo && (uintptr_t)p < hi;
}

/*
 * The scope of the newest record, which is to be there still: if it was left in a way
 * that nobody noticed, it lies below the caller's sp, or others have written there.
 */
static struct green_scope *scope_of_newest(const struct green *t)
{
	struct green_scope *s = (struct green_scope *)t->defers->argp;
	uintptr_t at = (uintptr_t)s;
	bool gone = green_in_slots(at) && (!green_on_stack(t, at) ||
		    (green_on_stack(t, t->sp) && at < t->sp));

	if (gone || (s->pending & ~SCOPE_CALLS) != SCOPE_MARK || !(s->pending & SCOPE_CALLS))
		green_die(t, "a GREEN_SCOPE with deferred calls was left in a way that libgreen does not see");
	return s;
}

static void count_up(struct green_scope *s)
{
	s->pending = s->pending ? s->pending + 1 : SCOPE_MARK | 1;
}

static void count_down(struct green_scope *s)
{
	if (!(--s->pending & SCOPE_CALLS))
		s->pending = 0;
}

int rt_defer_push(struct green_scope *s, struct green_defer *rec, green_fn fn,
		  unsigned long meta, const void *a0, const void *a1)
{
	struct green *t = green_worker->current;
	unsigned int flags = meta & GREEN_META_CLOSURE ? RECORD_CLOSURE : 0;

	if (t->defers)
		scope_of_newest(t);
	if (!rec) {
		rec = malloc(sizeof(*rec));
		if (!rec)
			return -ENOMEM;
		flags |= RECORD_HEAP;
	}
	*rec = (struct green_defer){
		.link = t->defers,
		.fn = fn,
		.argp = s,
		.nr_args = meta & 0xff,
		.kinds = meta >> 8 & 0xff,
		.flags = flags,
		.args = { (uintptr_t)a0, (uintptr_t)a1 },
	};
	t->defers = rec;
	count_up(s);
	return 0;
}

/* Arguments 2 to 5 of the newest record. */
int rt_defer_more(unsigned long meta, const void *a2, const void *a3, const void *a4,
		  const void *a5)
{
	struct green_defer *rec = green_worker->current->defers;

	rec->nr_args = meta & 0xff;
	rec->kinds |= meta >> 8 & 0xff;
	rec->args[2] = (uintptr_t)a2;
	rec->args[3] = (uintptr_t)a3;
	rec->args[4] = (uintptr_t)a4;
	rec->args[5] = (uintptr_t)a5;
	return 0;
}

/*
 * Nothing has asked for the room that code without tests takes: the function of the
 * scope only knows that it calls the runtime.
 */
static bool lacks_room(const struct green *t, const struct green_defer *call)
{
	return t->sp - t->lo < GREEN_ABI_NEED + green_slot_slack(t->slot) &&
	       !(green_map_flags_of((const void *)call->fn) & GREEN_MAP_TESTS);
}

/*
 * The call goes by way of the thread: in t->call its arguments are outside of
 * the stack and still typed, until the runner has them in registers.
 */
struct green_defer *green_defer_take(struct green *t)
{
	struct green_scope *s = scope_of_newest(t);
	struct green_defer *rec = t->defers;

	t->defers = rec->link;
	count_down(s);
	t->call = *rec;
	if (lacks_room(t, rec))
		t->call.flags |= CALL_UNTESTED;
	if (rec->flags & RECORD_HEAP)
		free(rec);
	else
		/* Nobody adjusts it any more: leave no address to be taken for one. */
		memset(rec, 0, sizeof(*rec));
	return &t->call;
}

/* green_defer_leave(): the next call of a scope that has some. */
struct green_defer *rt_defer_pop(const struct green_scope *s)
{
	struct green *t = green_worker->current;

	if (!t->defers || t->defers->argp != s)
		green_die(t, "a GREEN_SCOPE was left out of order");
	return green_defer_take(t);
}

/* For a thread that is abandoned with records left. */
void green_defers_free(struct green *t)
{
	struct green_defer *rec, *link;

	for (rec = t->defers; rec; rec = link) {
		/* A record on the stack went with it. */
		if (green_on_stack(t, (uintptr_t)rec))
			break;
		link = rec->link;
		if (rec->flags & RECORD_HEAP)
			free(rec);
	}
	t->defers = NULL;
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
	if (pointer && (rec->flags & RECORD_CLOSURE || kind == GREEN_ARG_POINTER)) {
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
	if (rec->flags & RECORD_CLOSURE) {
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
		scope_of_newest(t);
	if (t->call.fn) {
		err = prove_record(&t->call, p, false, why);
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

	if (t->call.fn)
		adjust_args(&t->call, lo, hi, delta);
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
