/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The handlers of signals, which run on stacks of their own. */
#ifndef GREEN_SCHED_SIGNAL_H
#define GREEN_SCHED_SIGNAL_H

void green_signals_init(void);
void green_signals_exit(void);
/* For handlers that came by another way than sigaction(); while green_run() runs. */
void green_signals_look(void);

#endif
