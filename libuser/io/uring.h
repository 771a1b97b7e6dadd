/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The rings. */
#ifndef GREEN_IO_URING_H
#define GREEN_IO_URING_H

#include <stdbool.h>
#include <stdint.h>

struct green;
struct green_wait_kind;
struct green_worker;

int green_uring_init(struct green_worker *w);
void green_uring_exit(struct green_worker *w);
/* In a child: not the parent's ring any more. */
void green_uring_forked(struct green_worker *w);
/* Make sure that the calling worker has a ring. */
int green_uring_open(void);

/* See struct green_poller; but the threads are not claimed, and only the kernel is done. */
struct green *green_uring_poll(struct green_worker *w);
void green_uring_wait(struct green_worker *w, uint64_t until);
/* The caller has claimed @t. Is that the end of its call? Then t->ret is what it returns. */
bool green_uring_ends(struct green *t);
bool green_uring_busy(const struct green_worker *w);
void green_uring_kick(struct green_worker *w);

/* Park the current thread, and have the kernel do its call. */
void green_uring_park(struct green_worker *w, const struct green_wait_kind *kind);
/* ... of @t, which is parked, and which the caller has claimed. */
void green_uring_start(struct green *t);
/* Have it ended, if the kernel finds it. */
void green_uring_cancel(struct green *t);
/* All that has ended has let go of its files. */
void green_uring_settle(struct green_worker *w);

#endif
