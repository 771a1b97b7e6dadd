/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* How many CPUs the process may use. */
#ifndef GREEN_BASE_CPUS_H
#define GREEN_BASE_CPUS_H

/* At least 1: those of its affinity, or what the quotas of its cgroup come to, rounded up. */
unsigned int green_cpus(void);
/*
 * What the quotas come to in thousandths of a CPU, or ULONG_MAX without any. @root: what is
 * put in front of /proc and of where cgroups are mounted; "" but in tests.
 */
unsigned long green_quota(const char *root);

#endif
