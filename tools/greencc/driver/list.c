/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Lists of arguments, and names. */
#define _GNU_SOURCE
#include "driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void push(struct list *l, const char *s)
{
	if (!(l->n & (l->n + 1)) || !l->v) {
		l->v = realloc(l->v, (2 * l->n + 4) * sizeof(*l->v));
		if (!l->v)
			abort();
	}
	l->v[l->n++] = strdup(s);
	l->v[l->n] = NULL;
}

void push_all(struct list *l, const struct list *from)
{
	for (size_t i = 0; i < from->n; i++)
		push(l, from->v[i]);
}

char *format(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	return s;
}

const char *extension(const char *name)
{
	const char *dot = strrchr(name, '.'), *slash = strrchr(name, '/');

	return dot && (!slash || dot > slash) ? dot : "";
}

bool one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(s, *words))
			return true;
	return false;
}

bool starts(const char *s, const char *word)
{
	return !strncmp(s, word, strlen(word));
}

char *base_name(const char *name, const char *ext)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash ? slash + 1 : name;

	return format("%.*s%s", (int)(strlen(base) - strlen(extension(base))), base, ext);
}
