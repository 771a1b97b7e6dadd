/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * GREEN_DEBUG, read by green_run(): a comma-separated list of
 *
 *   move=park	move each stack whenever its thread parks
 *   move=call	move each stack in every runtime call
 *   move=entry[:N]	move the stack in one of N entry checks of mapped functions
 *   slice[:N]	a thread's slice is over in one of N entry checks of mapped functions,
 *		unless slices are switched off
 *   seal	make each stack that was left inaccessible; move=... does so, too
 *   poison	fill stacks that were left, and are not sealed, with GREEN_POISON
 *   verify	prove each moved stack again, at its new place: the same words must
 *		be pointers, and all of them into it
 *   nomove	never move
 *   stack=N	first stacks of mapped functions have N bytes, unless they ask for
 *		some: 1024 are the least
 *   skip=N	leave out the adjustment of one word in N that maps name: the tests
 *		must notice
 *   backend=user	do without the module, even if it is there
 *   mappings	do without guard markers as well: sealed pages are mappings
 *   switch=module	resume threads by the module's SWITCH, for its tracepoint
 *   trace=N	to stderr: 1: refusals and segments, 2: proofs and moves too, 3: each
 *		frame, pointer and defer that was looked at
 */
#include "base/debug.h"
#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int number(const char *s, unsigned int *n)
{
	char *end;
	unsigned long v = strtoul(s, &end, 10);

	if (end == s || *end || v > 1000000000)
		return -EINVAL;
	*n = v;
	return 0;
}

static int parse_one(struct green_debug *d, const char *s)
{
	if (!strncmp(s, "move=", 5) || !strcmp(s, "seal"))
		d->seal = true;
	if (!strcmp(s, "seal"))
		return 0;
	if (!strcmp(s, "move=park"))
		d->move_park = true;
	else if (!strcmp(s, "move=call"))
		d->move_park = d->move_call = true;
	else if (!strcmp(s, "move=entry"))
		d->move_entry = 1;
	else if (!strncmp(s, "move=entry:", 11))
		return number(s + 11, &d->move_entry);
	else if (!strcmp(s, "slice"))
		d->slice = 1;
	else if (!strncmp(s, "slice:", 6))
		return number(s + 6, &d->slice);
	else if (!strcmp(s, "poison"))
		d->poison = true;
	else if (!strcmp(s, "verify"))
		d->verify = true;
	else if (!strcmp(s, "nomove"))
		d->nomove = true;
	else if (!strcmp(s, "backend=user"))
		d->user_backend = true;
	else if (!strcmp(s, "mappings"))
		d->user_backend = d->mappings = true;
	else if (!strcmp(s, "switch=module"))
		d->switch_module = true;
	else if (!strncmp(s, "stack=", 6))
		return number(s + 6, &d->stack);
	else if (!strncmp(s, "skip=", 5))
		return number(s + 5, &d->skip);
	else if (!strncmp(s, "trace=", 6))
		return number(s + 6, &d->trace);
	else if (*s)
		return -EINVAL;
	return 0;
}

int green_debug_parse(struct green_debug *d, const char *s)
{
	char *copy, *word, *save;
	int err = 0;

	if (!s)
		return 0;
	copy = strdup(s);
	if (!copy)
		return -ENOMEM;
	for (word = strtok_r(copy, ",", &save); word && !err;
	     word = strtok_r(NULL, ",", &save)) {
		err = parse_one(d, word);
		if (err)
			green_fail(err, "GREEN_DEBUG: unknown word \"%s\"", word);
	}
	free(copy);
	return err;
}

/* In one piece: there may be several workers, and millions of lines. */
void green_trace_line(const char *fmt, ...)
{
	char line[512] = "green: ";
	size_t n = strlen(line);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	n = strlen(line);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}
