/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Why green_run() failed, in words: the step that did notes it where it knows most, and
 * green_run() prints it at its end.
 */
#include "base/fail.h"
#include "base/runtime.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Of the OS thread that called green_run(). */
static __thread struct {
	bool failed;
	char text[400];
} last;

static void print(const char *what, const char *text)
{
	char line[sizeof(last.text) + 40];
	int n = snprintf(line, sizeof(line), "green: %s%s\n", what, text);

	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

int green_fail(int err, const char *fmt, ...)
{
	va_list ap;

	/* The first to say something knows most. */
	if (last.failed)
		return err;
	va_start(ap, fmt);
	vsnprintf(last.text, sizeof(last.text), fmt, ap);
	va_end(ap);
	last.failed = true;
	return err;
}

void green_fail_begin(void)
{
	last.failed = false;
}

void green_fail_end(bool quiet)
{
	if (last.failed && !quiet)
		print("green_run() failed: ", last.text);
}

const char *green_run_error(void)
{
	return last.failed ? last.text : NULL;
}

void green_complain(bool *said, const char *fmt, ...)
{
	char text[sizeof(last.text)];
	va_list ap;

	if (*said || green_rt.opt.quiet)
		return;
	*said = true;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	print("", text);
}
