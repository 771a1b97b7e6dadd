/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The end of the road: one line, and abort(). */
#include "base/fail.h"
#include "base/thread.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* One write, from memory: this may be a signal handler. */
_Noreturn void green_die(const struct green *t, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n = 0;

	if (t)
		n = snprintf(line, sizeof(line), "green: thread %llu (%s): ",
			     (unsigned long long)t->id, t->name ? t->name : "unnamed");
	else
		n = snprintf(line, sizeof(line), "green: ");
	va_start(ap, fmt);
	n += vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		_exit(134);
	abort();
}

/* The assembly, for calls that have nothing to return in such a case. */
_Noreturn void green_outside(void);
_Noreturn void green_outside(void)
{
	green_die(NULL, "green_exit() or green_try() outside of a green thread");
}
