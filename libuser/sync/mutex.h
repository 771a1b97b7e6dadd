/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What conditions do with mutexes. */
#ifndef GREEN_SYNC_MUTEX_H
#define GREEN_SYNC_MUTEX_H

#include <stdbool.h>

struct green;
struct green_mutex;

bool green_mutex_is_mine(struct green_mutex *m, const struct green *t);
/* Its owner holds it no more: the next one does, who is made ready. */
void green_mutex_pass_on(struct green_mutex *m);
/*
 * @t, whom the caller has claimed, is to have it before its call returns what t->ret says.
 * True: it has it, and is to be made ready. False: it waits for it, and is not claimed.
 */
bool green_mutex_retake(struct green_mutex *m, struct green *t);

#endif
