/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Frames that are left in another way than by returning. */
#ifndef GREEN_UNWIND_LEAVE_H
#define GREEN_UNWIND_LEAVE_H

#include <stdbool.h>

struct green_worker;

/* By the OS thread that @w is. 0, or -EOPNOTSUPP: this C library's jmp_buf is unknown. */
int green_leave_init(struct green_worker *w);

#endif
