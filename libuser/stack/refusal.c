/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Refusals: what to say of one, and how often each kind was met. */
#include "base/debug.h"
#include "base/lock.h"
#include "base/runtime.h"
#include "base/worker.h"
#include "calls.h"
#include "maps/registry.h"
#include "maps/symbol.h"
#include "stack/refusal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * Kinds of refusal that are told apart. The last rows are kept for what comes after:
 * one a reason, without a function, so that the rows add up to the totals.
 */
#define MAX_REFUSALS 64

static struct {
	struct green_nomove what;
	uint64_t count;
} refusals[MAX_REFUSALS];
static unsigned int nr_refusals;

/* Of both. Rows stay: their numbers and what they are about may be passed on. */
static struct green_spin lock;

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
	nr_refusals = 0;
}

/* The row of this kind, or nr_refusals. */
static unsigned int find_row(enum green_nomove_reason reason, const char *function)
{
	unsigned int i;

	for (i = 0; i < nr_refusals; i++)
		if (refusals[i].what.reason == reason &&
		    !strcmp(refusals[i].what.function, function))
			break;
	return i;
}

static unsigned int row_of(const struct green_nomove *why)
{
	unsigned int i = find_row(why->reason, why->function);

	if (i == nr_refusals && i >= MAX_REFUSALS - GREEN_NOMOVE_REASONS)
		i = find_row(why->reason, "");
	if (i == nr_refusals) {
		nr_refusals++;
		refusals[i].what = *why;
		if (i >= MAX_REFUSALS - GREEN_NOMOVE_REASONS)
			refusals[i].what.function[0] = '\0';
	}
	return i;
}

unsigned int green_count_refusal(const struct green_nomove *why)
{
	unsigned int i;

	green_spin_lock(&lock, RANK_REFUSALS);
	i = row_of(why);
	green_spin_unlock(&lock, RANK_REFUSALS);
	green_count_refused_again(i);
	return i;
}

void green_count_refused_again(unsigned int kind)
{
	const struct green_nomove *what = &refusals[kind].what;

	green_spin_lock(&lock, RANK_REFUSALS);
	refusals[kind].count++;
	green_spin_unlock(&lock, RANK_REFUSALS);
	green_count(refused[what->reason], 1);
	green_trace(1, "not moved: %s %s", green_nomove_name(what->reason),
		    what->function);
}

/* The row that is about @pc, or MAX_REFUSALS. */
static unsigned int find_row_at(enum green_nomove_reason reason, const void *pc)
{
	unsigned int i;

	green_spin_lock(&lock, RANK_REFUSALS);
	for (i = 0; i < nr_refusals; i++)
		if (refusals[i].what.pc == pc && refusals[i].what.reason == reason)
			break;
	if (i == nr_refusals)
		i = MAX_REFUSALS;
	green_spin_unlock(&lock, RANK_REFUSALS);
	return i;
}

/* The name of @pc costs two searches, and loops come here each time round. */
void green_count_refusal_at(enum green_nomove_reason reason, const void *pc)
{
	unsigned int i = find_row_at(reason, pc);
	struct green_nomove why;

	if (i < MAX_REFUSALS) {
		green_count_refused_again(i);
		return;
	}
	green_refuse(&why, reason, pc);
	green_count_refusal(&why);
}

uint64_t rt_refusal(unsigned int i, struct green_nomove *what)
{
	uint64_t count = 0;

	green_spin_lock(&lock, RANK_REFUSALS);
	if (i < nr_refusals) {
		*what = refusals[i].what;
		count = refusals[i].count;
	}
	green_spin_unlock(&lock, RANK_REFUSALS);
	return count;
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
