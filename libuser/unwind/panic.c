/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Panics, and where they end.
 *
 * A panic runs the defers of the innermost green_try(), newest first, on top of
 * the frames that it gives up, and then lets green_try() return its message;
 * without one it runs them all and ends the process. It ends in green_try() and
 * not, as in Go, in the function whose defer recovers, because a C compiler
 * knows what a function can return, and whether it does, and compiles its
 * callers accordingly; of what green_try() returns it knows nothing.
 */
#include "arch/x86_64/frame.h"
#include "base/fail.h"
#include "base/parts.h"
#include "base/thread.h"
#include "base/worker.h"
#include "calls.h"
#include "stack/bounds.h"
#include "stack/segment.h"
#include "unwind/defer.h"
#include "unwind/panic.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A va_list as the ABI has it: the arguments as green_defer_format() saved them. */
struct arguments {
	unsigned int gp_offset, fp_offset;
	const void *overflow, *regs;
};

static void format(char *text, const char *fmt, const void *regs, const void *overflow)
{
	/* The first register was fmt; those of the vector unit follow all six. */
	struct arguments a = { 8, 48, overflow, regs };
	va_list ap;

	static_assert(sizeof(ap) == sizeof(a), "the ABI's va_list");
	memcpy(ap, &a, sizeof(a));
	vsnprintf(text, GREEN_PANIC_TEXT, fmt, ap);
}

/* The first half of green_panic(): the message, while its arguments live. */
int rt_panic_text(const char *fmt, const void *regs, const void *overflow)
{
	struct green *t = green_worker->current;
	struct green_panic *p = green_rare_of(t) ? malloc(sizeof(*p)) : NULL;

	if (!p)
		green_die(t, "panic: %s (and no memory for its arguments)", fmt);
	format(p->text, fmt, regs, overflow);
	p->sp = green_caller_sp(t);
	p->link = t->rare->panics;
	t->rare->panics = p;
	return 0;
}

/* Nobody can catch it there. */
_Noreturn void green_panic_outside(const char *fmt, const void *regs,
				   const void *overflow);
_Noreturn void green_panic_outside(const char *fmt, const void *regs,
				   const void *overflow)
{
	char text[GREEN_PANIC_TEXT];

	format(text, fmt, regs, overflow);
	green_die(NULL, "panic outside of a green thread: %s", text);
}

/* All of them, oldest first. */
static size_t describe(const struct green_panic *p, char *buf, size_t size)
{
	size_t n = p->link ? describe(p->link, buf, size) : 0;

	if (n >= size)
		return n;
	return n + snprintf(buf + n, size - n, "%spanic: %s", n ? "; then " : "", p->text);
}

static _Noreturn void uncaught(const struct green *t)
{
	char text[3 * GREEN_PANIC_TEXT];

	describe(t->rare->panics, text, sizeof(text));
	green_die(t, "%s", text);
}

static void free_until(struct green_panic *p, const struct green_panic *end)
{
	struct green_panic *link;

	for (; p != end; p = link) {
		link = p->link;
		free(p);
	}
}

void green_panics_free(struct green *t)
{
	if (!t->rare)
		return;
	free_until(t->rare->panics, NULL);
	free(t->rare->caught);
	t->rare->panics = t->rare->caught = NULL;
}

/*
 * A panic whose deferred function was left by longjmp() is over, as if caught. Its
 * runner lies below all that it runs for.
 */
void green_panics_leave(struct green *t, uintptr_t sp)
{
	struct green_panic *p = t->rare ? t->rare->panics : NULL;

	for (; t->try && (uintptr_t)t->try < sp; t->try = t->try->outer)
		p = t->try->panics;
	while (p && p->sp < sp)
		p = p->link;
	if (!t->rare)
		return;
	free_until(t->rare->panics, p);
	t->rare->panics = p;
}

/*
 * What stands below the frame of a green_try() that has not been left: the return
 * address of its call.
 */
static bool is_alive(const struct green *t)
{
	const void *const *call = (const void *const *)t->try - 1;

	return (uintptr_t)t->try > t->sp && green_on_stack(t, (uintptr_t)call) &&
	       *call == green_try_call;
}

/*
 * Let green_try() return: what began inside it is over. A panic that a newer
 * one has replaced goes with it.
 */
static const char *catch(struct green *t)
{
	struct green_try *try = t->try;
	struct green_panic *p = t->rare->panics;

	free_until(p->link, try->panics);
	t->rare->panics = try->panics;
	free(t->rare->caught);
	t->rare->caught = p;
	t->try = try->outer;
	green_hide();
	green_segments_drop(t, (uintptr_t)try);
	t->sp = (uintptr_t)&try->saved;
	green_show(t);
	return p->text;
}

/* The next call of the runner green_panic_raise(), in the thread's call. */
const void *rt_panic_next(void)
{
	struct green *t = green_worker->current;

	t->rare->panics->sp = green_caller_sp(t);
	if (t->try && !is_alive(t))
		green_die(t, "%s; a green_try() was left in a way that libgreen does not see",
			  t->rare->panics->text);
	/* The frames that are given up lie below that of green_try(). */
	if (t->defers && (!t->try || t->defers->argp < (void *)t->try))
		return green_defer_take(t);
	if (t->try)
		return catch(t);
	uncaught(t);
}
