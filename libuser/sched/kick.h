/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Ends of rest. */
#ifndef GREEN_SCHED_KICK_H
#define GREEN_SCHED_KICK_H

#include <stdint.h>

struct green;
struct green_worker;

/* The worker that has to be told of @t, which is ready, or else any that could help. */
void green_kick_for(const struct green *t);
/* Whoever waits in the ring must not wait beyond @at. */
void green_poll_until(uint64_t at);
void green_pass_on_the_ring(void);
/* Let all workers end; what green_run() returns. */
void green_stop(int ret);

#endif
