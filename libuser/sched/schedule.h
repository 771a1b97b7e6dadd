/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Who runs next. */
#ifndef GREEN_SCHED_SCHEDULE_H
#define GREEN_SCHED_SCHEDULE_H

struct green;
struct green_worker;

struct green *green_schedule(struct green_worker *w);

#endif
