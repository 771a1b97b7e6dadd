/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#include "base/runtime.h"
#include "memory/pile.h"
#include "memory/sizes.h"
#include "memory/slot.h"

#include <string.h>

/* Since the last pass; before; before that, and its time is over. */
enum { FRESH, STALE, OLD, GENERATIONS };

GREEN_PER_RUN static struct green_chain pile[GREEN_SIZES][GENERATIONS];

void green_pile_init(void)
{
	memset(pile, 0, sizeof(pile));
}

static void join(struct green_chain *c, struct green_chain front)
{
	if (!front.nr)
		return;
	front.last->next = c->first;
	if (!c->nr)
		c->last = front.last;
	c->first = front.first;
	c->nr += front.nr;
}

static struct green_chain cut(struct green_chain *c, unsigned int nr)
{
	struct green_chain front = { c->first, c->first, nr };
	unsigned int i;

	if (nr >= c->nr) {
		front = *c;
		*c = (struct green_chain){ 0 };
		return front;
	}
	for (i = 1; i < nr; i++)
		front.last = front.last->next;
	c->first = front.last->next;
	c->nr -= nr;
	front.last->next = NULL;
	return front;
}

void green_pile_put(unsigned int size, struct green_chain slots)
{
	join(&pile[size][FRESH], slots);
}

struct green_chain green_pile_take(unsigned int size, unsigned int most)
{
	for (int g = 0; g < GENERATIONS; g++)
		if (pile[size][g].nr)
			return cut(&pile[size][g], most);
	return (struct green_chain){ 0 };
}

void green_pile_age(void)
{
	for (int i = 0; i < GREEN_SIZES; i++) {
		join(&pile[i][OLD], pile[i][STALE]);
		pile[i][STALE] = pile[i][FRESH];
		pile[i][FRESH] = (struct green_chain){ 0 };
	}
}

static struct green_slot *any_of(int generation)
{
	for (int i = 0; i < GREEN_SIZES; i++)
		if (pile[i][generation].nr)
			return cut(&pile[i][generation], 1).first;
	return NULL;
}

struct green_slot *green_pile_oldest(void)
{
	return any_of(OLD);
}

struct green_slot *green_pile_any(void)
{
	return any_of(OLD) ?: any_of(STALE) ?: any_of(FRESH);
}
