/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Reports of faults. */
#ifndef GREEN_REPORT_FAULT_H
#define GREEN_REPORT_FAULT_H

#include <signal.h>
#include <stdbool.h>

void green_fault_init(void);
void green_fault_exit(void);
bool green_is_fault(int sig);
int green_fault_action(int sig, const struct sigaction *new, struct sigaction *old);

#endif
