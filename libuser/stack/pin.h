/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Frames whose addresses are kept outside the stack. */
#ifndef GREEN_STACK_PIN_H
#define GREEN_STACK_PIN_H

#include <stdbool.h>
#include <stdint.h>

struct green;

struct green_worker;

/* Addresses that are kept outside the stack, with what lies between; no particular order. */
#define GREEN_FEW_ESCAPES 2
#define GREEN_ESCAPES 32
#define GREEN_ESCAPES_OF_FRAME 8	/* that are told apart */

struct green_escape {
	uintptr_t addr;			/* the lowest address that is kept */
	uintptr_t last;			/* the highest */
	uintptr_t end;			/* of its frame, or behind addr */
};

struct green_escapes {
	unsigned int nr;
	struct green_escape few[GREEN_FEW_ESCAPES];
	struct green_escape *many;	/* GREEN_ESCAPES, instead; or NULL */
};

/* The lowest pin of the thread that runs: mapped code reads it, see PinEnds.cpp. */
extern __thread uintptr_t green_escape_low __attribute__((tls_model("initial-exec")));

/* @t is about to run on @w, and has pins, or @w no room for what it may need of them. */
void green_escape_switch(struct green_worker *w, const struct green *t);
void green_escapes_free(struct green *t);
/* Forget pins in frames that are gone. */
void green_escape_prune(struct green *t);
/* Is the address of something in [lo, hi) kept outside the stack? */
bool green_escape_in(const struct green *t, uintptr_t lo, uintptr_t hi);

#endif
