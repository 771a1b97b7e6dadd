/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Panics, and who catches them. */
#ifndef GREEN_UNWIND_PANIC_H
#define GREEN_UNWIND_PANIC_H

#include "arch/x86_64/frame.h"
#include <stdint.h>

struct green;

/* A panic on its way, or caught; in the heap. */
#define GREEN_PANIC_TEXT 256

struct green_panic {
	struct green_panic *link;	/* the next older one */
	uintptr_t sp;			/* of green_panic(), or of what runs its defers */
	char text[GREEN_PANIC_TEXT];
};

/* The frame of green_try(), from its stack pointer up. */
struct green_try {
	struct green_panic *panics;	/* those that were on their way before */
	struct green_try *outer;
	struct green_saved saved;
};

void green_panics_free(struct green *t);
/* ... those that somebody below @sp raised, and the tries that are there. */
void green_panics_leave(struct green *t, uintptr_t sp);

#endif
