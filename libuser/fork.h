/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* fork(). */
#ifndef GREEN_FORK_H
#define GREEN_FORK_H

#include <green.h>
#include <stdbool.h>

int green_fork_init(void);
void green_fork_end(void);
/* May the caller, a green thread, call green_run()? */
bool green_fork_may_run(void);
int green_fork_run(int (*run)(const struct green_options *, int (*)(void *), void *),
		   const struct green_options *opt, int (*main_fn)(void *), void *arg);

#endif
