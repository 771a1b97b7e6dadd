/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What all threads wait for. */
#ifndef GREEN_REPORT_DUMP_H
#define GREEN_REPORT_DUMP_H

/* A line each to @fd, for the first @most; returns how many threads there are, or -errno. */
int green_dump_threads(int fd, int most);

#endif
