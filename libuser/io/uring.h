/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The ring. */
#ifndef GREEN_IO_URING_H
#define GREEN_IO_URING_H

#include <stdbool.h>
#include <stdint.h>

struct green;

int green_uring_init(void);
void green_uring_exit(void);
/* See struct green_poller. What calls return is in their threads' ret. */
struct green *green_uring_poll(bool wait, uint64_t until);
bool green_uring_busy(void);
void green_uring_flush(void);
void green_uring_kick(void);
/* Have the kernel do the call of @t, which is parked. */
void green_uring_start(struct green *t);
/* Have it ended, if the kernel finds it. */
void green_uring_cancel(struct green *t);
/* All that has ended has let go of its files. */
void green_uring_settle(void);

/* In a child: not the parent's ring any more. */
void green_uring_forked(void);
/* Make sure that there is a ring. */
int green_uring_open(void);

#endif
