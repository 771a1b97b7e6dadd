/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Lines, sections and functions of the assembly text. */
#define _GNU_SOURCE
#include "greenmap.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void die(const char *path, size_t line, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "greenmap: %s", path);
	if (line)
		fprintf(stderr, ":%zu", line);
	fputs(": ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

void *xrealloc(void *p, size_t n)
{
	p = realloc(p, n ? n : 1);
	if (!p)
		die("greenmap", 0, "out of memory");
	return p;
}

char *xstrdup(const char *s, size_t n)
{
	char *p = xrealloc(NULL, n + 1);

	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

static char *read_file(const char *path)
{
	FILE *f = fopen(path, "r");
	size_t n = 0, size = 1 << 16, got;
	char *p = xrealloc(NULL, size);

	if (!f)
		die(path, 0, "cannot be opened");
	while ((got = fread(p + n, 1, size - n - 1, f))) {
		n += got;
		if (size - n < 2)
			p = xrealloc(p, size *= 2);
	}
	fclose(f);
	/* Comments may quote any byte; statements have none of these. */
	for (size_t i = 0; i < n; i++)
		if (!p[i])
			p[i] = ' ';
	p[n] = '\0';
	return p;
}

/* Cuts a comment and the spaces around the statement. */
static char *statement(const char *raw)
{
	bool quoted = false;
	const char *p;

	while (isspace((unsigned char)*raw))
		raw++;
	for (p = raw; *p; p++) {
		if (*p == '\\' && quoted && p[1])
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (*p == '#' && !quoted)
			break;
	}
	while (p > raw && isspace((unsigned char)p[-1]))
		p--;
	return xstrdup(raw, p - raw);
}

static void split_lines(struct module *m)
{
	size_t size = 1024;
	char *p = m->data;
	bool app = false;

	m->lines = xrealloc(NULL, size * sizeof(*m->lines));
	while (*p) {
		char *end = strchrnul(p, '\n');
		bool more = *end == '\n';
		const char *s;

		*end = '\0';
		if (m->nr_lines == size)
			m->lines = xrealloc(m->lines, (size *= 2) * sizeof(*m->lines));
		for (s = p; isspace((unsigned char)*s); s++)
			;
		if (!strncmp(s, "#APP", 4))
			app = true;
		if (!strncmp(s, "#NO_APP", 7))
			app = false;
		m->lines[m->nr_lines++] = (struct line){
			.raw = p, .text = statement(p), .app = app,
		};
		p = end + more;
	}
}

static bool starts(const char *s, const char *word)
{
	return !strncmp(s, word, strlen(word));
}

static bool changes_section(const char *s)
{
	static const char *const words[] = {
		".section", ".text", ".data", ".bss", ".pushsection",
		".popsection", ".previous", ".subsection",
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t n = strlen(words[i]);

		if (starts(s, words[i]) && !isalnum((unsigned char)s[n]) && s[n] != '_')
			return true;
	}
	return false;
}

/*
 * Directives that mean the same in any section: what is said of symbols, aliases
 * among it, comes behind the last section that was written.
 */
static bool is_sectionless(const char *s)
{
	static const char *const words[] = {
		".ident", ".addrsig", ".addrsig_sym", ".cg_profile", ".file", ".loc",
		".weak", ".weakref", ".globl", ".global", ".local", ".hidden", ".protected",
		".internal", ".type", ".size", ".set", ".equ", ".symver", ".comm",
	};
	size_t n = strcspn(s, " \t");

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == n && !strncmp(s, words[i], n))
			return true;
	return strstr(s, " = ");
}

/* The compiler writes the section once, on lines of its own. */
static void mark_stackmaps(struct module *m)
{
	bool in = false;

	for (size_t i = 0; i < m->nr_lines; i++) {
		const char *s = m->lines[i].text;

		if (changes_section(s))
			in = starts(s, ".section") && strstr(s, ".llvm_stackmaps");
		m->lines[i].stackmap = in && !is_sectionless(s);
	}
}

/* "name:" alone; the name without its quotes. */
static char *label_name(const char *s)
{
	size_t n = strlen(s);

	if (n > 3 && s[0] == '"' && s[n - 2] == '"' && s[n - 1] == ':')
		return xstrdup(s + 1, n - 3);
	if (n < 2 || s[n - 1] != ':' || strpbrk(s, " \t\""))
		return NULL;
	return xstrdup(s, n - 1);
}

/* The first word of a directive's operands. */
static char *operand_name(const char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	if (*s == '"') {
		n = strcspn(s + 1, "\"");
		return xstrdup(s + 1, n);
	}
	n = strcspn(s, ", \t");
	return xstrdup(s, n);
}

static void add_function(struct module *m, char *name, size_t line, bool local)
{
	m->functions = xrealloc(m->functions,
				(m->nr_functions + 1) * sizeof(*m->functions));
	m->functions[m->nr_functions++] = (struct function){
		.name = name, .first = line, .local = local, .need = GREENCC_NO_TEST,
	};
}

/*
 * A function is ".type name,@function", then "name:", then ".size name, ...", and if
 * others can name it ".globl name" or ".weak name" in front of that. Aliases have a type and no label; functions of inline assembly lie in APP.
 */
static void find_functions(struct module *m)
{
	struct function *open = NULL;
	char *typed = NULL, *global = NULL;

	for (size_t i = 0; i < m->nr_lines; i++) {
		const char *s = m->lines[i].text;
		char *name;

		if (m->lines[i].app || m->lines[i].stackmap)
			continue;
		if (starts(s, ".globl") || starts(s, ".weak")) {
			free(global);
			global = operand_name(s + strcspn(s, " \t"));
		} else if (starts(s, ".type") && strstr(s, "@function")) {
			free(typed);
			typed = operand_name(s + 5);
		} else if (open && starts(s, ".size")) {
			name = operand_name(s + 5);
			if (!strcmp(name, open->name)) {
				open->last = i;
				open = NULL;
			}
			free(name);
		} else if (typed && !open && (name = label_name(s))) {
			if (!strcmp(name, typed)) {
				add_function(m, name, i, !global || strcmp(global, name));
				open = &m->functions[m->nr_functions - 1];
				free(typed);
				typed = NULL;
			} else {
				free(name);
			}
		}
	}
	if (open)
		die(m->path, open->first + 1, "function %s has no end", open->name);
	free(typed);
	free(global);
}

static int by_name(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void index_labels(struct module *m)
{
	for (size_t i = 0; i < m->nr_lines; i++) {
		char *name;

		if (m->lines[i].app || m->lines[i].stackmap)
			continue;
		name = label_name(m->lines[i].text);
		if (!name)
			continue;
		if (!(m->nr_labels & (m->nr_labels - 1)))
			m->labels = xrealloc(m->labels, (2 * m->nr_labels + 1) *
					     sizeof(*m->labels));
		m->labels[m->nr_labels++] = (struct label){ name, i };
	}
	if (m->nr_labels)
		qsort(m->labels, m->nr_labels, sizeof(*m->labels), by_name);
}

static const struct label *find_label(const struct module *m, const char *name)
{
	struct label key = { .name = (char *)name };

	return m->nr_labels ? bsearch(&key, m->labels, m->nr_labels, sizeof(key), by_name) : NULL;
}

static int by_first(const void *a, const void *b)
{
	const struct function *x = a, *y = b;

	return (x->first > y->first) - (x->first < y->first);
}

struct function *module_function(struct module *m, const char *name)
{
	const struct label *l = find_label(m, name);
	struct function key = { .first = l ? l->line : 0 };

	return l && m->nr_functions ? bsearch(&key, m->functions, m->nr_functions, sizeof(key),
					      by_first) : NULL;
}

/* The line of a label inside of a function, or 0. */
size_t module_label(const struct module *m, const struct function *f, const char *label)
{
	const struct label *l = find_label(m, label);

	return l && l->line >= f->first && l->line < f->last ? l->line : 0;
}

/* -- places in the source ------------------------------------------------- */

/* The next string of a directive's operands, or NULL. */
static char *take_string(const char **s)
{
	const char *from = *s + strspn(*s, " \t,");
	char *text, *to;

	if (*from != '"')
		return NULL;
	to = text = xstrdup(from + 1, strlen(from + 1));
	for (from++; *from && *from != '"'; from++) {
		if (*from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	*to = '\0';
	*s = from + (*from == '"');
	return text;
}

/* ".file number "directory" "name"": the path; relative to @base if below it. */
static char *file_path(const char *s, const char *base)
{
	char *dir = take_string(&s), *name = take_string(&s), *path;

	if (!name) {
		name = dir;
		dir = NULL;
	}
	if (!name || !dir || name[0] == '/')
		return name;
	path = xrealloc(NULL, strlen(dir) + strlen(name) + 2);
	sprintf(path, "%s/%s", dir, name);
	if (base && starts(path, base) && path[strlen(base)] == '/')
		return path + strlen(base) + 1;
	return path;
}

/* The directory that it was compiled in. */
static char *base_directory(const struct module *m)
{
	for (size_t i = 0; i < m->nr_lines; i++) {
		const char *s = m->lines[i].text;

		if (starts(s, ".file\t0 ")) {
			s += strlen(".file\t0 ");
			return take_string(&s);
		}
	}
	return NULL;
}

static char *numbered_file(const struct module *m, unsigned long number)
{
	for (size_t i = 0; i < m->nr_lines; i++) {
		const char *s = m->lines[i].text;
		char *end;

		if (starts(s, ".file\t") && strtoul(s + 6, &end, 10) == number &&
		    end > s + 6)
			return file_path(end, base_directory(m));
	}
	return NULL;
}

/* From the line tables: where it begins, or where it was found unverifiable. */
struct source module_source(const struct module *m, const struct function *f)
{
	struct source at = { 0 };
	unsigned long number = 0;

	for (size_t i = f->first; i < f->last; i++) {
		const char *s = m->lines[i].text;
		unsigned long n, line;
		char *end;

		if (at.line && i > f->why_line)
			break;
		if (!starts(s, ".loc\t"))
			continue;
		n = strtoul(s + 5, &end, 10);
		line = strtoul(end, NULL, 10);
		if (line) {
			number = n;
			at.line = line;
		}
	}
	if (at.line)
		at.file = numbered_file(m, number);
	return at;
}

void module_read(struct module *m, const char *path)
{
	m->path = path;
	m->data = read_file(path);
	split_lines(m);
	mark_stackmaps(m);
	x87_settle(m);
	find_functions(m);
	index_labels(m);
}
