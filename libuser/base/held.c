/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Of debug builds: which mutexes and rwlocks a thread holds. */
#include "base/assert.h"
#include "base/held.h"

#ifdef GREEN_CHECKS
#define KNOWN (sizeof(((struct green *)0)->holds) / sizeof(void *))

void green_holds(struct green *t, const void *what)
{
	if (t->held < KNOWN)
		t->holds[t->held] = what;
	t->held++;
}

void green_holds_no_more(struct green *t, const void *what)
{
	unsigned int i;

	green_assert(t->held);
	t->held--;
	for (i = 0; i < KNOWN && t->holds[i] != what; i++)
		;
	for (; i + 1 < KNOWN; i++)
		t->holds[i] = t->holds[i + 1];
	if (i < KNOWN)
		t->holds[i] = NULL;
}

void green_held_look(const struct green *t, const char *how)
{
	bool said = false;

	if (t->held)
		green_complain(&said, "thread %llu (%s) %s with %u mutexes or rwlocks held, "
			       "that at %p among them", (unsigned long long)t->id,
			       t->name ? t->name : "unnamed", how, t->held, t->holds[0]);
}
#endif
