/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Threads give way: of themselves, or as they have run for long. */
#ifndef GREEN_SCHED_SLICE_H
#define GREEN_SCHED_SLICE_H

#include <stdbool.h>

struct green;
struct green_worker;

/* @t, which runs on @w, is ready again, behind those that are; the caller returns to entry.S. */
void green_give_way(struct green_worker *w, struct green *t);

/*
 * In an entry test of @t, which runs on @w: if its slice is over it gives way. From then on
 * @t is not the caller's.
 */
void green_slice_look(struct green_worker *w, struct green *t);
/* @t is about to run again. */
void green_slice_resume(struct green *t);

/* There is a second thread: begin to watch, if that has not begun. */
void green_slices_begin(void);
/* A worker has ceased to rest. */
void green_slices_rise(void);
/* Before any worker's OS thread is gone. Had it begun? */
bool green_slices_end(void);
/* In a child of fork(): the watcher is the parent's. */
void green_slices_forked(void);

#endif
