/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Whether the OS threads of a process sleep. With _GNU_SOURCE. */
#ifndef ASLEEP_H
#define ASLEEP_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* How often any thread of the process but the caller has gone to sleep. */
static inline long sleeps_of_others(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	char line[300];
	long sum = 0, n;

	while (dir && (d = readdir(dir))) {
		FILE *f;

		snprintf(line, sizeof(line), "/proc/self/task/%s/status", d->d_name);
		if (d->d_name[0] == '.' || atoi(d->d_name) == gettid() ||
		    !(f = fopen(line, "r")))
			continue;
		while (fgets(line, sizeof(line), f))
			if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
				sum += n;
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return sum;
}

#endif
