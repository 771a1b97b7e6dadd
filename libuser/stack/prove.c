/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The proof that a stack may move: every frame has a verified map, every defer
 * is copyable, nothing else points in. It only reads; what it finds is the set
 * of words that a move must adjust.
 */
#include "arch/x86_64/frame.h"
#include "base/debug.h"
#include "base/parts.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "base/worker.h"
#include "io/call.h"
#include "maps/registry.h"
#include "maps/site.h"
#include "memory/sizes.h"
#include "memory/slot.h"
#include "stack/frames.h"
#include "stack/pin.h"
#include "stack/prove.h"
#include "stack/prove_defers.h"
#include "stack/refusal.h"
#include "stack/segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In an older segment, which stays where it is. */
static int older_word(struct green_proof *p, uintptr_t addr)
{
	uint64_t **list;

	if (p->nr_older == p->max_older) {
		p->max_older = 2 * p->max_older + 16;
		list = realloc(p->older, p->max_older * sizeof(*list));
		if (!list)
			return -ENOMEM;
		p->older = list;
	}
	p->older[p->nr_older++] = (uint64_t *)addr;
	return 0;
}

/* A word that holds a pointer, wherever to. */
static inline int pointer_word(struct green_proof *p, uintptr_t addr)
{
	uintptr_t value = *(const uintptr_t *)addr;

	/* Below base there is nothing but what dead calls left. */
	if (value < p->base || value >= p->hi)
		return 0;
	if (p->traces)
		green_trace_line("  pointer at %lx to %lx", addr, value);
	if (addr < p->base || addr >= p->hi)
		return older_word(p, addr);
	green_proof_set(p, addr);
	return 0;
}

/* The saved rbp of a frame, at @addr. */
static inline void chain_word(struct green_proof *p, uintptr_t addr)
{
	uintptr_t value = *(const uintptr_t *)addr;

	if (value < p->base || value >= p->hi)
		return;
	if (p->traces)
		green_trace_line("  frame pointer at %lx to %lx", addr, value);
	green_proof_set_chain(p, addr);
}

/* May this untyped word be a live address of the stack? */
static bool looks_live(const struct green_proof *p, uintptr_t value)
{
	return value - p->sp < p->hi - p->sp;
}

static int prove_ambiguous(struct green *t, const struct green_proof *p, uintptr_t addr,
			   uint32_t n, const void *ret, struct green_nomove *why)
{
	const uintptr_t *word = (const uintptr_t *)addr;
	uint32_t i;

	for (i = 0; i < n; i++)
		if (looks_live(p, word[i]) &&
		    !green_word_in_record(t, (uintptr_t)&word[i]))
			return green_refuse(why, GREEN_NOMOVE_AMBIGUOUS, ret);
	return 0;
}

/* Large buffers hardly ever hold such a word: rule them out eight at a time. */
static uint32_t skip_dead(const struct green_proof *p, const uintptr_t *word, uint32_t n)
{
	uint32_t i, j;

	for (i = 0; i + 8 <= n; i += 8) {
		bool any = false;

		for (j = 0; j < 8; j++)
			any |= looks_live(p, word[i + j]);
		if (any)
			break;
	}
	return i;
}

static inline int prove_words(struct green *t, struct green_proof *p, const struct green_frame *f,
		       const struct green_words *words, struct green_nomove *why)
{
	uintptr_t addr = (words->base == GREEN_BASE_RBP ? f->rbp : f->rsp) + words->offset;
	uint32_t i, n = words->nr, at = 0;
	int err;

	if (n && !green_frame_has(f, addr, 8 * (size_t)n))
		return green_refuse(why, GREEN_NOMOVE_FRAME, f->ret);
	if (words->period == 1 && (words->bits[0] & 3) == GREEN_WORD_AMBIGUOUS) {
		i = skip_dead(p, (const uintptr_t *)addr, n);
		return prove_ambiguous(t, p, addr + 8UL * i, n - i, f->ret, why);
	}
	for (i = 0; i < n; i++, addr += 8) {
		unsigned int kind = words->bits[at / 4] >> at % 4 * 2 & 3;

		if (++at == words->period)
			at = 0;
		err = 0;
		if (kind == GREEN_WORD_POINTER)
			err = pointer_word(p, addr);
		if (kind == GREEN_WORD_AMBIGUOUS)
			err = prove_ambiguous(t, p, addr, 1, f->ret, why);
		if (err)
			return err;
	}
	return 0;
}

static void trace_frame(const struct green_frame *f)
{
	struct green_map m;

	if (green_map_find((const char *)f->ret - 1, &m))
		green_trace_line(" frame %s+0x%zx, %lx to %lx", m.name,
			    (size_t)((const char *)f->ret - m.start), f->rsp, f->rbp + 16);
}

/*
 * What an entry test has secured stays secured until the function returns: it may be
 * about to call foreign code.
 */
static inline void note_need(struct green_proof *p, const struct green_frame *f, uint32_t flags)
{
	static const size_t need[] = { 0, 4UL << 10, 32UL << 10, 264UL << 10 };
	size_t n = need[GREEN_MAP_NEED(flags)];

	if (f->rsp - n < p->secured)
		p->secured = f->rsp - n;
}

static __attribute__((noinline)) int refuse_frame(const struct green_frame *f,
						  const struct green_site *s,
						  struct green_nomove *why)
{
	bool escapes = !(s->flags & GREEN_MAP_VERIFIED) &&
		       GREEN_MAP_WHY(s->flags) == GREEN_WHY_ESCAPE;

	return green_refuse(why, escapes ? GREEN_NOMOVE_ESCAPED : GREEN_NOMOVE_FRAME, f->ret);
}

static __attribute__((noinline)) int prove_all_words(struct green *t, struct green_proof *p,
						     const struct green_frame *f,
						     const struct green_site *s,
						     struct green_nomove *why)
{
	uint32_t i;
	int err = 0;

	for (i = 0; i < s->nr && !err; i++)
		err = prove_words(t, p, f, &s->words[i], why);
	return err;
}

/* Of most there is nothing to say: so it is part of the walk, and what is rare is not. */
static inline __attribute__((always_inline))
int prove_frame(struct green *t, struct green_proof *p, const struct green_frame *f,
		const struct green_site *s, struct green_nomove *why)
{
	if (p->traces)
		trace_frame(f);
	if (!(s->flags & GREEN_MAP_VERIFIED) || !s->mapped)
		return refuse_frame(f, s, why);
	if (f->lo == t->lo) {
		note_need(p, f, s->flags);
		if (p->pinned && green_escape_in(t, f->rsp, f->rbp + 16))
			return green_refuse(why, GREEN_NOMOVE_ESCAPED, f->ret);
	}
	return s->nr ? prove_all_words(t, p, f, s, why) : 0;
}

/* The call of the runtime that the thread is in, as far as anyone wants to know. */
static const void *innermost(const struct green *t)
{
	const struct green_saved *s = (const void *)t->sp;
	const struct green_entry *e = (const void *)(s + 1);

	return (const void *)(s->pc == (uintptr_t)green_stack_morestack_return ? e->pc : s->pc);
}

/*
 * A function that has not laid out its frame: its arguments, and then, like a
 * frame, the call of it. Of some nobody knows which of them are pointers.
 */
static int prove_entry(struct green_proof *p, struct green_frame *f, struct green_nomove *why)
{
	struct green_entry *e = (void *)f->rsp;
	uint64_t *ret = (void *)(e + 1);
	struct green_map m;
	unsigned int i, n = 0;

	if (e->flags & GREEN_ENTRY_FIXED ||
	    !green_map_find((const char *)e->pc - 1, &m) || !(m.flags & GREEN_MAP_ARGS))
		return green_refuse(why, GREEN_NOMOVE_FRAME, (const void *)e->pc);
	for (i = 0; i < m.nr_args; i++) {
		unsigned int kind = green_map_arg(&m, i);
		uint64_t *word = n < 6 ? &e->word[5 - n] : ret + 1 + n - 6;

		if (kind == GREEN_ARG_OTHER)
			continue;
		n++;
		/* In the newest segment: that cannot fail. */
		if (kind == GREEN_ARG_POINTER)
			pointer_word(p, (uintptr_t)word);
		else if (kind == GREEN_ARG_AMBIGUOUS && *word >= p->lo && *word < p->hi)
			return green_refuse(why, GREEN_NOMOVE_AMBIGUOUS, (const void *)e->pc);
	}
	f->ret = (const void *)*ret;
	f->rsp = (uintptr_t)(ret + 1);
	return 0;
}

/* Where the stack began: the function's frame, and its argument. */
static int prove_innermost(struct green_proof *p, struct green_frame *f, struct green_nomove *why)
{
	const struct green_saved *s = (const void *)p->sp;
	int err;

	if (f->ret == green_stack_morestack_return) {
		err = prove_entry(p, f, why);
		if (err)
			return err;
	}
	/* The innermost function's frame pointer, as it stands in the block. */
	chain_word(p, (uintptr_t)&s->rbp);
	return 0;
}

static int prove_segment(struct green *t, struct green_proof *p,
			 struct green_frame *f, struct green_nomove *why)
{
	struct green_sites **sites = &green_worker->sites;
	const struct green_site *site;
	int err;

	while (f->ret != green_thread_base && !green_is_join(f->ret)) {
		err = green_map_site(sites, f->ret, &site);
		if (err == -ENOMEM)
			return err;
		if (err || !green_frame_is_whole(f))
			return green_refuse(why, GREEN_NOMOVE_FRAME, f->ret);
		err = prove_frame(t, p, f, site, why);
		if (err)
			return err;
		chain_word(p, f->rbp);
		green_frame_up(f);
	}
	/* Whatever else. */
	if (p->pinned && green_escape_in(t, p->sp, p->hi))
		return green_refuse(why, GREEN_NOMOVE_ESCAPED, f->ret);
	return 0;
}

/*
 * Older segments stay, whatever their frames are. But locals of theirs that maps
 * name may hold addresses in the segment that moves. Those of functions that
 * are not VERIFIED do not if they are SHARED; and what is not mapped knows of no
 * address that is not pinned, nor is anything older reached but through it.
 */
static int prove_older(struct green *t, struct green_proof *p,
		       struct green_frame *f, struct green_nomove *why)
{
	const struct green_site *site;
	int err;

	while (f->ret != green_thread_base) {
		if (!green_is_join(f->ret)) {
			err = green_map_site(&green_worker->sites, f->ret, &site);
			if (err == -ENOMEM)
				return err;
			if (err || !(site->flags & GREEN_MAP_BARRIERS))
				return 0;
			if (!green_frame_is_whole(f))
				return green_refuse(why, GREEN_NOMOVE_FRAME, f->ret);
			err = site->flags & GREEN_MAP_SHARED ? 0 : prove_frame(t, p, f, site, why);
			if (err)
				return err;
		}
		if (!green_frame_next(f))
			return green_refuse(why, GREEN_NOMOVE_FRAME, f->ret);
	}
	return 0;
}

/* The frames, innermost first, along the rbp chain. */
static int prove_frames(struct green *t, struct green_proof *p,
			struct green_nomove *why)
{
	struct green_frame f;
	int err;

	green_frame_first(t, &f);
	/* It has not begun: nothing but its argument is on the stack. */
	if (f.ret == green_thread_entry)
		return 0;
	err = prove_innermost(p, &f, why);
	if (!err)
		err = prove_segment(t, p, &f, why);
	if (!err && t->segment)
		err = prove_older(t, p, &f, why);
	return err;
}

static int prove_io(struct green *t, struct green_proof *p, struct green_nomove *why)
{
	const struct green_io *io = t->io;
	int i;

	if (!io || !io->busy)
		return 0;
	for (i = 0; i < GREEN_IO_MEM; i++) {
		uintptr_t mem = (uintptr_t)io->mem[i];

		if (mem < p->hi && mem + io->len[i] > p->lo)
			return green_refuse(why, GREEN_NOMOVE_IO,
					    innermost(t));
	}
	return 0;
}

/* Zeroed, a bit for each word of [base, hi). */
static uint64_t *bits_alloc(const struct green_proof *p)
{
	return calloc(green_proof_longs(p), sizeof(uint64_t));
}

/* Few will do for most stacks: their pages with live frames are one or two. */
static int proof_alloc(struct green_proof *p, struct green *t)
{
	p->lo = t->lo;
	p->hi = t->hi;
	p->sp = p->secured = t->sp;
	p->base = t->slot->slab ? t->lo : t->sp & ~(GREEN_PAGE - 1);
	p->nr = p->nr_chain = 0;
	p->older = NULL;
	p->nr_older = p->max_older = 0;
	p->chain = NULL;
	p->traces = green_traces(3);
	p->pinned = t->all_held || (t->rare && t->rare->escapes.nr);
	p->bits = p->few;
	if (green_proof_longs(p) <= GREEN_PROOF_FEW)
		memset(p->few, 0, green_proof_longs(p) * sizeof(*p->few));
	else
		p->bits = bits_alloc(p);
	if (!p->bits)
		return -ENOMEM;
	if (green_rt.debug.skip)
		p->chain = bits_alloc(p);
	return 0;
}

int green_prove(struct green *t, struct green_proof *p,
		struct green_nomove *why)
{
	int err;

	if (green_rt.debug.nomove)
		return green_refuse(why, GREEN_NOMOVE_DISABLED, NULL);
	if (t != green_worker->current &&
	    (green_state(t) == STATE_DONE || green_state(t) == STATE_RUNNING))
		return green_refuse(why, GREEN_NOMOVE_RUNNING, NULL);
	if (t->pins)
		return green_refuse(why, GREEN_NOMOVE_PINNED,
				    innermost(t));
	/* A stack that the program has made, and switched to by itself. */
	if (t->sp < t->lo || t->sp >= t->hi)
		return green_refuse(why, GREEN_NOMOVE_FRAME, innermost(t));
	green_trace(2, "proof: %s %llu", t->name ? t->name : "thread",
		    (unsigned long long)t->id);
	green_escape_prune(t);
	err = proof_alloc(p, t);
	if (err)
		return err;
	err = prove_frames(t, p, why);
	if (!err)
		err = green_prove_defers(t, p, why);
	if (!err)
		err = prove_io(t, p, why);
	if (err)
		green_proof_free(p);
	return err;
}

void green_proof_free(struct green_proof *p)
{
	if (p->bits != p->few)
		free(p->bits);
	if (p->chain)
		free(p->chain);
	if (p->older)
		free(p->older);
	p->bits = p->chain = NULL;
	p->older = NULL;
}
