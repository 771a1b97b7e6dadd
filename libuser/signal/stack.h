/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Stacks of the workers' signal handlers. */
#ifndef GREEN_SIGNAL_STACK_H
#define GREEN_SIGNAL_STACK_H

#include <stdbool.h>
#include <stdint.h>

struct green_worker;

/* The stacks of all workers; each OS thread then takes its own. */
int green_signal_stacks_init(void);
void green_signal_stacks_exit(void);
bool green_in_signal_gap(const struct green_worker *w, uintptr_t addr);
void green_signal_stack(struct green_worker *w);
void green_signal_stack_exit(struct green_worker *w);

#endif
