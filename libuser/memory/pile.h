/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Free slots that keep their pages for a while: many threads are often followed by as many.
 * Each pass over all threads (stack/shrink.c) makes those that nobody took a generation
 * older; from the last one they give their pages back.
 */
#ifndef GREEN_MEMORY_PILE_H
#define GREEN_MEMORY_PILE_H

struct green_slot;

struct green_chain {
	struct green_slot *first, *last; /* along next */
	unsigned int nr;
};

/* All is called with the lock of slot.c. */
void green_pile_init(void);
void green_pile_put(unsigned int size, struct green_chain slots);
/* Up to @most of them, those first that were put last. */
struct green_chain green_pile_take(unsigned int size, unsigned int most);
void green_pile_age(void);
/* One that is to give its pages back; or NULL. */
struct green_slot *green_pile_oldest(void);
/* Any; or NULL. */
struct green_slot *green_pile_any(void);

#endif
