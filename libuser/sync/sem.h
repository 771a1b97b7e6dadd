/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Semaphores that were posted from outside. */
#ifndef GREEN_SYNC_SEM_H
#define GREEN_SYNC_SEM_H

struct green_sem;

/* The inbox's, along next_posted. */
void green_sems_posted(struct green_sem *list);

#endif
