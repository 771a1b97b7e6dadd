/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The parts of greencc, the driver. */
#ifndef GREENCC_DRIVER_H
#define GREENCC_DRIVER_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

/* Strings, with NULL behind the last. They are never freed. */
struct list {
	char **v;
	size_t n;
};

/* What the command line says; options.c fills it. */
struct options {
	const char *clang;
	char dir[PATH_MAX];	/* of this program */
	bool no_growth, all_mapped, explain, verbose, save_temps, no_warn_depth;
	bool stop_early;	/* -E, -M, -fsyntax-only ...: clang alone */
	bool compile_only;	/* -c */
	bool to_assembly;	/* -S */
	bool deps;		/* -MD, -MMD */
	const char *not_libc;	/* for the pass */
	const char *output;
	const char *dep_file, *dep_target;
	struct list all;	/* the arguments for clang, as given */
	struct list compile;	/* ... for compiling: no inputs, no -l */
	struct list link;	/* ... for linking, in order, inputs replaced */
	struct list inputs;	/* C files, or - */
	struct list languages;	/* ... as -x has it, or "none" */
	bool other_inputs;
	const char *language;	/* what -x says of inputs from here on, or NULL */
	char *refusal;		/* why it cannot be compiled, or NULL */
};
extern struct options opt;

/* options.c */
void parse(const struct list *args);
bool takes_value(const char *a);	/* is the next argument the value of this one? */
bool is_option(const char *a);		/* has it been given? */

/* response.c: @a, if it is a response file, stands for what that has. */
void expand(struct list *args, const char *a);

/* list.c: text that cannot be made for want of memory ends the program. */
void push(struct list *l, const char *s);
void push_all(struct list *l, const struct list *from);
char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool one_of(const char *s, const char *const *words);
bool starts(const char *s, const char *word);
const char *extension(const char *name);	/* with its dot, or "" */
char *base_name(const char *name, const char *ext);

/* run.c */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void begin_steps(void);			/* there are temporary files from here on */
char *temporary(const char *name);
int run(const struct list *cmd);	/* returns its exit status */
void must(const struct list *cmd);

/* compile.c */
void compile_to_object(const char *source, const char *language,
		       const char *object, const char *named);
int compile_only(void);

/* link.c */
int compile_and_link(void);
int clang_alone(void);

#endif
