/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Timers. */
#ifndef GREEN_SCHED_TIMER_H
#define GREEN_SCHED_TIMER_H

#include <stdint.h>

struct green;

/* 1: it is the first to ring now; 0, or -ENOMEM. */
int green_timer_add(struct green *t, uint64_t at);
void green_timer_del(struct green *t);
struct green *green_timer_pop(uint64_t now);
/* When the next one is due; 0: there is none. */
uint64_t green_timer_next(void);

#endif
