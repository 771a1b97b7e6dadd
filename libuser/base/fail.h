/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Lines on stderr, and ends of the road. */
#ifndef GREEN_BASE_FAIL_H
#define GREEN_BASE_FAIL_H

#include <stdbool.h>

struct green;

/* Returns @err, and has green_run() say why: a line without its end. */
int green_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void green_fail_begin(void);
void green_fail_end(bool quiet);
/* A line on stderr, if it has not been @said yet. */
void green_complain(bool *said, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* One line, of the thread if there is one, and abort(). */
_Noreturn void green_die(const struct green *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
