/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Who need not test the stack since the caller has. All that is known here is what is
 * below a test: SMALL_FRAME bytes may be taken beyond the limit, by one frame or by
 * several, and what makes no calls may take as much again.
 *
 * Trees: a function that calls nothing but such as make no calls is never stopped, as
 * they are not (pass/Growth.cpp). It has no test unless they all together are too large.
 *
 * Calls behind a test: where a caller's test, made before, covers what the test of a
 * function of the same file would ask, it calls that behind its test. That is so if the
 * two frames, and those that are reached from there in the same way, are a small one in
 * all; or if the caller has asked for its whole frame, so that the limit is below it. A
 * jump is made when the frame is gone. No circle of calls is without a test: the call
 * that closes it goes to the front. So do calls of functions that are not local, for a
 * linker may be told that those are others.
 *
 * What a test has secured stays so until its function returns, whatever moves: no frame
 * of a stack that was moved lies beyond the limit (libuser/stack/move.c).
 */
#include "greenmap.h"

#include <stdlib.h>
#include <string.h>

/* The function of this file that line @i calls, or jumps to. */
static struct function *callee_at(struct module *m, size_t i, bool *jump)
{
	const struct line *l = &m->lines[i];
	size_t n = strcspn(l->text, " \t");

	*jump = n == 3 && !strncmp(l->text, "jmp", n);
	if (l->app || l->stackmap || (!*jump && (n != 5 || strncmp(l->text, "callq", n))))
		return NULL;
	return module_function(m, l->text + n + strspn(l->text + n, " \t"));
}

static bool is_unstopped(const struct function *f)
{
	return f->need >= 0 && f->need & GREENCC_IF_LARGE;
}

/* What a function takes below its frame that is never stopped. */
static uint32_t largest_callee(struct module *m, const struct function *f, size_t depth)
{
	uint32_t most = 0, n;
	bool jump;

	for (size_t i = f->first; i < f->last && depth; i++) {
		const struct function *callee = callee_at(m, i, &jump);

		if (!callee || jump || !is_unstopped(callee))
			continue;
		n = callee->frame + largest_callee(m, callee, depth - 1);
		if (n > most)
			most = n;
	}
	return most;
}

static void add_callees(struct module *m)
{
	uint32_t *more = calloc(m->nr_functions + 1, sizeof(*more));

	if (!more)
		die(m->path, 0, "out of memory");
	for (size_t i = 0; i < m->nr_functions; i++)
		if (is_unstopped(&m->functions[i]))
			more[i] = largest_callee(m, &m->functions[i], 4);
	for (size_t i = 0; i < m->nr_functions; i++)
		m->functions[i].frame += more[i];
	free(more);
}

static void settle(struct module *m, struct function *f);

static void settle_call(struct module *m, struct function *f, size_t line)
{
	bool jump;
	struct function *callee = callee_at(m, line, &jump);
	uint32_t untested;

	if (!callee || !callee->local || !callee->test.wanted || callee->test.need)
		return;
	settle(m, callee);
	untested = callee->untested + (jump ? 0 : f->frame);
	if (callee->state == OPEN || (!f->test.need && untested > SMALL_FRAME))
		return;
	m->lines[line].behind = callee;
	if (f->untested < untested)
		f->untested = untested;
}

static void settle(struct module *m, struct function *f)
{
	if (f->state != NEW)
		return;
	f->state = OPEN;
	f->untested = f->frame;
	for (size_t i = f->first; f->test.wanted && i < f->last; i++)
		settle_call(m, f, i);
	f->state = DONE;
}

void settle_tests(struct module *m)
{
	add_callees(m);
	for (size_t i = 0; i < m->nr_functions; i++)
		m->functions[i].test = test_of(m, &m->functions[i]);
	for (size_t i = 0; i < m->nr_functions; i++)
		settle(m, &m->functions[i]);
}
