/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Threads that may go on on another OS thread. */
#ifndef GREEN_SCHED_PORTABLE_H
#define GREEN_SCHED_PORTABLE_H

#include <stdbool.h>

struct green;

/* May another worker run @t, which the caller owns? Not if it has more than @most frames. */
bool green_is_portable(const struct green *t, unsigned int most);

#endif
