/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* A list, doubly linked, with a head that is a link itself. */
#ifndef GREEN_BASE_LINK_H
#define GREEN_BASE_LINK_H

#include "base/assert.h"

#include <stdbool.h>

struct green_link {
	struct green_link *next, *prev;
};

/* Of a head: nothing is in it. Of a link: it is in no list. */
static inline void green_link_init(struct green_link *l)
{
	l->next = l->prev = l;
}

static inline bool green_link_is_alone(const struct green_link *l)
{
	return l->next == l;
}

/* Into the list of @at, in front of it; at the end, if that is the head. */
static inline void green_link_before(struct green_link *at, struct green_link *l)
{
	green_assert(at->prev->next == at);
	l->next = at;
	l->prev = at->prev;
	at->prev->next = l;
	at->prev = l;
}

/* Out of its list, if it is in one. */
static inline void green_link_del(struct green_link *l)
{
	green_assert(l->next->prev == l && l->prev->next == l);
	l->next->prev = l->prev;
	l->prev->next = l->next;
	green_link_init(l);
}

#endif
