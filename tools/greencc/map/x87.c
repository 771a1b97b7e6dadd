/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Results in x87 registers. The pass tells code generation that such a call has
 * none, and lets instructions (GREENCC_X87) put it into memory, of whose effect on
 * the x87 registers code generation does not know either. So an instruction that it
 * places between the call and these would find one number more than it counts
 * with: these go in front of it, right behind the call. Nothing can be wrong with
 * that where control passes straight from the call to them and where they name
 * their memory by rsp or rbp, which stay.
 */
#include "greenmap.h"

#include <stdlib.h>
#include <string.h>

static bool starts(const char *s, const char *word)
{
	return !strncmp(s, word, strlen(word));
}

static bool is_label(const char *s)
{
	return *s && s[strlen(s) - 1] == ':';
}

/* Does it stay straight, leave rsp and rbp, and the memory of @operand? */
static bool may_be_passed(const struct line *l, const char *operand)
{
	const char *s = l->text;
	size_t n = strlen(s);

	if (!*s || *s == '.')
		return !is_label(s) || starts(s, ".Ltmp");
	if (is_label(s) || *s == 'j' || starts(s, "ret") || starts(s, "push") ||
	    starts(s, "pop") || strstr(s, operand))
		return false;
	return n < 6 || (strcmp(s + n - 4, "%rsp") && strcmp(s + n - 4, "%rbp"));
}

/* The line of the call whose result is taken at line @at; SIZE_MAX if in doubt. */
static size_t call_before(const struct module *m, size_t at, const char *operand)
{
	while (at--) {
		if (starts(m->lines[at].text, "call"))
			return at;
		if (!may_be_passed(&m->lines[at], operand))
			return SIZE_MAX;
	}
	return SIZE_MAX;
}

/* The lines from @from to before @end go in front of line @to, before them. */
static void move_up(struct module *m, size_t from, size_t end, size_t to)
{
	size_t n = end - from;
	struct line *block = xrealloc(NULL, n * sizeof(*block));

	memcpy(block, &m->lines[from], n * sizeof(*block));
	memmove(&m->lines[to + n], &m->lines[to], (from - to) * sizeof(*block));
	memcpy(&m->lines[to], block, n * sizeof(*block));
	free(block);
}

/* "#APP", the label at @label, "fstpt operand" once or twice, "#NO_APP" */
static void settle(struct module *m, size_t label)
{
	size_t end = label + 1, call;
	const char *operand;

	if (end == m->nr_lines || !starts(m->lines[end].text, "fstpt\t"))
		die(m->path, label + 1, "a result in x87 registers is not taken");
	operand = m->lines[end].text + strlen("fstpt\t");
	if (!strstr(operand, "(%rsp)") && !strstr(operand, "(%rbp)"))
		die(m->path, label + 1, "a result in x87 registers goes to %s", operand);
	call = call_before(m, label, operand);
	if (call == SIZE_MAX)
		die(m->path, label + 1, "a result in x87 registers without a call");
	while (end < m->nr_lines && m->lines[end].app)
		end++;
	/* The label that names the return address stays with the call. */
	call += starts(m->lines[call + 1].text, ".Ltmp");
	move_up(m, label - 1, end + 1, call + 1);
}

void x87_settle(struct module *m)
{
	for (size_t i = 1; i < m->nr_lines; i++)
		if (starts(m->lines[i].text, GREENCC_X87_LABEL))
			settle(m, i);
}
