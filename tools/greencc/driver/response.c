/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Response files, @name. */
#define _GNU_SOURCE
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NESTED	32	/* files that name files */

static char *read_text(const char *name)
{
	FILE *f = fopen(name, "r");
	char *text = NULL;
	size_t size = 0;

	if (!f)
		return NULL;
	if (getdelim(&text, &size, '\0', f) < 0) {
		bool failed = ferror(f);

		free(text);
		text = failed ? NULL : strdup("");
	}
	fclose(f);
	return text;
}

static void expand_nested(struct list *args, const char *a, int depth);

/* GNU's quoting, as clang reads it: a backslash counts in all quotes. */
static void expand_text(struct list *args, const char *s, int depth)
{
	char *word = malloc(strlen(s) + 1), quote = 0;
	size_t n = 0;

	if (!word)
		abort();
	for (;; s++) {
		if (*s == '\\' && s[1]) {
			word[n++] = *++s;
		} else if (*s && quote) {
			if (*s == quote)
				quote = 0;
			else
				word[n++] = *s;
		} else if (*s == '"' || *s == '\'') {
			quote = *s;
		} else if (*s && !strchr(" \t\r\n", *s)) {
			word[n++] = *s;
		} else {
			word[n] = '\0';
			if (n)
				expand_nested(args, word, depth);
			n = 0;
			if (!*s)
				break;
		}
	}
	free(word);
}

/* Names are relative to the working directory, in files as well. */
static void expand_nested(struct list *args, const char *a, int depth)
{
	char *text = a[0] == '@' ? read_text(a + 1) : NULL;

	if (!text) {
		push(args, a);
		return;
	}
	if (depth == MAX_NESTED)
		die("%s: response files are nested too deeply", a);
	expand_text(args, text, depth + 1);
	free(text);
}

void expand(struct list *args, const char *a)
{
	expand_nested(args, a, 0);
}
