/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* SIGPIPE, which nobody gets for a write of libgreen. */
#ifndef GREEN_IO_SIGPIPE_H
#define GREEN_IO_SIGPIPE_H

#include <signal.h>

void green_sigpipe_init(void);
/* As sigaction() of SIGPIPE, for the program. */
int green_sigpipe_action(const struct sigaction *new, struct sigaction *old);
void green_sigpipe_exit(void);

#endif
