/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Refusals: what to say of one, and how often each kind was met. */
#include "internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Kinds of refusal that are told apart; what comes later is in the totals only. */
#define MAX_REFUSALS 64

static struct {
	struct green_nomove what;
	uint64_t count;
} refusals[MAX_REFUSALS];

const char *green_nomove_name(enum green_nomove_reason reason)
{
	static const char *const names[GREEN_NOMOVE_REASONS] = {
		[GREEN_NOMOVE_NONE] = "NONE",
		[GREEN_NOMOVE_FRAME] = "FRAME",
		[GREEN_NOMOVE_DEFER_UNKNOWN] = "DEFER_UNKNOWN",
		[GREEN_NOMOVE_DEFER_FOREIGN] = "DEFER_FOREIGN",
		[GREEN_NOMOVE_ESCAPED] = "ESCAPED",
		[GREEN_NOMOVE_AMBIGUOUS] = "AMBIGUOUS",
		[GREEN_NOMOVE_IO] = "IO",
		[GREEN_NOMOVE_PINNED] = "PINNED",
		[GREEN_NOMOVE_RUNNING] = "RUNNING",
		[GREEN_NOMOVE_DISABLED] = "DISABLED",
	};

	return (unsigned int)reason < GREEN_NOMOVE_REASONS ? names[reason] : "?";
}

void green_refusals_clear(void)
{
	memset(refusals, 0, sizeof(refusals));
}

void green_count_refusal(const struct green_nomove *why)
{
	unsigned int i;

	green_rt.stats.refused[why->reason]++;
	green_trace(1, "not moved: %s %s", green_nomove_name(why->reason),
		    why->function);
	for (i = 0; i < MAX_REFUSALS; i++) {
		if (!refusals[i].count)
			refusals[i].what = *why;
		else if (refusals[i].what.reason != why->reason ||
			 strcmp(refusals[i].what.function, why->function))
			continue;
		refusals[i].count++;
		return;
	}
}

uint64_t green_do_green_refusal(unsigned int i, struct green_nomove *what);
uint64_t green_do_green_refusal(unsigned int i, struct green_nomove *what)
{
	if (i >= MAX_REFUSALS || !refusals[i].count)
		return 0;
	*what = refusals[i].what;
	return refusals[i].count;
}

/* @pc: a function, or a return address. */
int green_refuse(struct green_nomove *why, enum green_nomove_reason reason,
		 const void *pc)
{
	struct green_map f;
	bool found = green_map_find(pc, &f);

	if (!found || f.start != pc)
		found = green_map_find((const char *)pc - 1, &f);
	why->reason = reason;
	why->pc = pc;
	why->function[0] = '\0';
	if (found)
		snprintf(why->function, sizeof(why->function), "%s", f.name);
	else if (pc)
		green_symbol(pc, why->function, sizeof(why->function));
	return -EBUSY;
}
