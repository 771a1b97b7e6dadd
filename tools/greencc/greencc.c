/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * greencc: clang for code whose stacks can be relocated.
 *
 * A C file goes through clang with the plugin greenpass.so to assembly, through
 * greenmap, which checks it and writes the pointer maps, and through clang's
 * assembler. Everything else is clang's: other inputs and linking are handed on
 * unchanged.
 *
 *   -fno-green-growth	leave out the stack checks on entry
 *   -fgreen-all-mapped	functions of other files have such checks too, unless
 *			they are the C library's
 *   -fno-builtin-NAME	a function of that name is not the C library's; and calls of
 *			it go by that name alone, which --wrap and the like change
 *   -Wno-green-depth	say nothing of stacks that are measured by addresses
 *   --explain file.c	list the functions that cannot move, and why:
 *			file:line: function: reason
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct list {
	char **v;
	size_t n;
};

static struct {
	const char *clang;
	char dir[PATH_MAX];	/* of this program */
	char temp[PATH_MAX];	/* directory of temporary files, or "" */
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
} opt;

static void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void push(struct list *l, const char *s)
{
	if (!(l->n & (l->n + 1)) || !l->v) {
		l->v = realloc(l->v, (2 * l->n + 4) * sizeof(*l->v));
		if (!l->v)
			abort();
	}
	l->v[l->n++] = strdup(s);
	l->v[l->n] = NULL;
}

static void push_all(struct list *l, const struct list *from)
{
	for (size_t i = 0; i < from->n; i++)
		push(l, from->v[i]);
}

static char *format(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	return s;
}

/* -- temporary files ------------------------------------------------------ */

static void remove_temporaries(void)
{
	char *cmd[] = { "rm", "-rf", opt.temp, NULL };
	pid_t pid;

	if (!opt.temp[0] || opt.save_temps)
		return;
	if (!posix_spawnp(&pid, "rm", NULL, NULL, cmd, environ))
		waitpid(pid, NULL, 0);
	opt.temp[0] = '\0';
}

static void die(const char *fmt, ...)
{
	va_list ap;

	fputs("greencc: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	interrupted = sig;
}

/* A signal ends the running step; the files go in the ordinary way. */
static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction sa = { .sa_handler = on_signal };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &sa, NULL);
}

static void make_temp_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(opt.temp, sizeof(opt.temp), "%s/greencc-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(opt.temp)) {
		char *name = strdup(opt.temp);

		opt.temp[0] = '\0';
		die("%s: %s", name, strerror(errno));
	}
	atexit(remove_temporaries);
}

/* -- running -------------------------------------------------------------- */

/* Runs a program; with out, its standard output goes there. */
static int run(const struct list *cmd, const char *out)
{
	posix_spawn_file_actions_t fa;
	int status, err;
	pid_t pid;

	if (opt.verbose) {
		for (size_t i = 0; i < cmd->n; i++)
			fprintf(stderr, "%s%s", i ? " " : "", cmd->v[i]);
		fputc('\n', stderr);
	}
	posix_spawn_file_actions_init(&fa);
	if (out)
		posix_spawn_file_actions_addopen(&fa, 1, out, 01101, 0600);
	err = posix_spawnp(&pid, cmd->v[0], &fa, NULL, cmd->v, environ);
	posix_spawn_file_actions_destroy(&fa);
	if (err)
		die("%s: %s", cmd->v[0], strerror(err));
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
		if (interrupted)
			kill(pid, interrupted);
	}
	if (interrupted)
		exit(128 + interrupted);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void must(const struct list *cmd)
{
	int rc = run(cmd, NULL);

	if (rc)
		exit(rc);
}

/* -- arguments ------------------------------------------------------------ */

static const char *extension(const char *name)
{
	const char *dot = strrchr(name, '.'), *slash = strrchr(name, '/');

	return dot && (!slash || dot > slash) ? dot : "";
}

static bool one_of(const char *s, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(s, *words))
			return true;
	return false;
}

static bool starts(const char *s, const char *word)
{
	return !strncmp(s, word, strlen(word));
}

static bool is_cxx(const char *name)
{
	static const char *const ext[] = {
		".cc", ".cpp", ".cxx", ".C", ".c++", ".mm", ".m", ".ii", NULL,
	};

	return one_of(extension(name), ext);
}

static bool is_c(const char *name)
{
	static const char *const ext[] = { ".c", ".i", NULL };

	return one_of(extension(name), ext);
}

static bool takes_value(const char *a)
{
	static const char *const words[] = {
		"-I", "-D", "-U", "-L", "-l", "-include", "-imacros", "-isystem",
		"-iquote", "-idirafter", "-iprefix", "-iwithprefix", "-isysroot",
		"-Xclang", "-Xlinker", "-Xassembler", "-Xpreprocessor", "-mllvm",
		"-target", "-arch", "-u", "-z", "-T", "-e", "-A", "--param", "-rpath",
		"--sysroot", "-B", "-Xanalyzer", "-MF", "-MT", "-MQ", "-MJ", "-o",
		"-x", "-plugin", "-include-pch", "-iwithsysroot", "-ivfsoverlay",
		"-serialize-diagnostics", "--serialize-diagnostics", NULL,
	};

	return one_of(a, words);
}

static bool is_link_option(const char *a)
{
	static const char *const words[] = {
		"-shared", "-static", "-static-pie", "-pie", "-no-pie", "-rdynamic",
		"-s", "-nostdlib", "-nodefaultlibs", "-nostartfiles", "-r", "-z",
		"-T", "-e", "-u", "-Xlinker", "-rpath", "-L", "-l", "-static-libgcc", NULL,
	};

	return one_of(a, words) || starts(a, "-l") || starts(a, "-L") ||
	       starts(a, "-Wl,") || starts(a, "-fuse-ld") || starts(a, "-T");
}

/* What is no matter where clang compiles nothing: the first reason counts. */
static void cannot(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void cannot(const char *fmt, ...)
{
	va_list ap;

	if (opt.refusal)
		return;
	va_start(ap, fmt);
	if (vasprintf(&opt.refusal, fmt, ap) < 0)
		abort();
	va_end(ap);
}

/* Options by their beginnings, and why they cannot be. */
static void refuse(const char *a, const char *value)
{
	static const char frames[] = "it changes frames behind the maps";
	static const char calls[] = "it puts calls where no map is";
	static const char thunks[] = "calls through thunks cannot be mapped";
	static const char link_time[] = "link-time optimisation would undo the pointer maps";
	static const struct {
		const char *option, *why;
	} refused[] = {
		{ "-flto", link_time },
		{ "-ffat-lto", link_time },
		{ "-fembed-bitcode", link_time },
		{ "-masm=intel", "the maps are checked on AT&T assembly" },
		{ "-fsanitize=", frames },
		{ "-fsanitize-coverage", calls },
		{ "-fmemory-profile", calls },
		{ "-fxray-instrument", calls },
		{ "-mfentry", calls },
		{ "-femulated-tls", calls },
		{ "-fsplit-stack", frames },
		{ "-emit-llvm", "maps are made of assembly" },
		{ "-fbasic-block-sections", frames },
		{ "-fsplit-machine-functions", frames },
		{ "-mspeculative-load-hardening", frames },
		{ "-mretpoline", thunks },
		{ "-mlvi-cfi", thunks },
		{ "-mlvi-hardening", thunks },
		{ "-mseses", thunks },
		{ "-m32", "only x86-64 code can be mapped" },
		{ "-mx32", "only x86-64 code can be mapped" },
		{ "-m16", "only x86-64 code can be mapped" },
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (starts(a, refused[i].option))
			cannot("%s is not supported: %s", a, refused[i].why);
	if (!strcmp(a, "-Xclang") && starts(value, "-disable-llvm-"))
		cannot("%s is not supported: the maps are made by a pass", value);
}

static void language(const char *name)
{
	static const char *const known[] = {
		"c", "cpp-output", "c-header", "assembler", "assembler-with-cpp", NULL,
	};

	opt.language = strcmp(name, "none") ? name : NULL;
	if (opt.language && !one_of(name, known))
		cannot("-x %s: only C is supported", name);
}

static bool reads_as_c(const char *name)
{
	if (opt.language)
		return !strcmp(opt.language, "c") || !strcmp(opt.language, "cpp-output");
	return is_c(name);
}

static void input(const char *name)
{
	/* What clang would read as C behind our back must not go unmapped. */
	if (name[0] == '@')
		cannot("%s: cannot be read", name);
	else if (!opt.language && !strcmp(name, "-"))
		cannot("-: standard input needs -x c or -E");
	else if (!opt.language && is_cxx(name))
		cannot("%s: only C is supported", name);
	if (reads_as_c(name)) {
		push(&opt.inputs, name);
		push(&opt.languages, opt.language ? opt.language : "none");
		push(&opt.link, name);
		return;
	}
	opt.other_inputs = true;
	if (opt.language) {
		push(&opt.link, "-x");
		push(&opt.link, opt.language);
	}
	push(&opt.link, name);
	if (opt.language) {
		push(&opt.link, "-x");
		push(&opt.link, "none");
	}
}

/* An option with its value, which is NULL if it has none of its own. */
static void option(const char *a, const char *value)
{
	refuse(a, value);
	if (!strcmp(a, "-o")) {
		opt.output = value;
	} else if (!strcmp(a, "-c")) {
		opt.compile_only = true;
	} else if (!strcmp(a, "-S")) {
		opt.to_assembly = true;
	} else if (!strcmp(a, "-x")) {
		language(value);
	} else if (starts(a, "-x")) {
		language(a + 2);
	} else if (!strcmp(a, "-MF")) {
		opt.dep_file = value;
	} else if (!strcmp(a, "-MT") || !strcmp(a, "-MQ")) {
		opt.dep_target = value;
		push(&opt.compile, a);
		push(&opt.compile, value);
	} else if (is_link_option(a)) {
		push(&opt.link, a);
		if (value)
			push(&opt.link, value);
		/* These choose the code model as well. */
		if (!strcmp(a, "-static") || !strcmp(a, "-pie") || !strcmp(a, "-no-pie"))
			return;
	} else {
		opt.deps |= !strcmp(a, "-MD") || !strcmp(a, "-MMD");
		push(&opt.compile, a);
		/* Warnings about unused dependency options would come from linking. */
		if (!starts(a, "-M"))
			push(&opt.link, a);
		if (value) {
			push(&opt.compile, value);
			push(&opt.link, value);
		}
	}
}

static bool stops_early(const char *a)
{
	static const char *const words[] = {
		"-E", "-M", "-MM", "-fsyntax-only", "--version", "-###", "--analyze",
		"-dumpversion", "-dumpmachine", "--help", NULL,
	};

	return one_of(a, words) || starts(a, "-print-") || starts(a, "--print-");
}

/* -- response files ------------------------------------------------------- */

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

static void expand(struct list *args, const char *a, int depth);

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
				expand(args, word, depth);
			n = 0;
			if (!*s)
				break;
		}
	}
	free(word);
}

/* Names are relative to the working directory, in files as well. */
static void expand(struct list *args, const char *a, int depth)
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

static void parse(int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		const char *a = argv[i];
		const char *value = NULL;

		if (!strcmp(a, "-fno-green-growth")) {
			opt.no_growth = true;
			continue;
		}
		if (!strcmp(a, "-fgreen-all-mapped")) {
			opt.all_mapped = true;
			continue;
		}
		if (!strcmp(a, "-Wgreen-depth") || !strcmp(a, "-Wno-green-depth")) {
			opt.no_warn_depth = a[2] == 'n';
			continue;
		}
		/* The function of that name is the program's own. */
		if (starts(a, "-fno-builtin-"))
			opt.not_libc = format("%s not-libc=%s", opt.not_libc ? opt.not_libc : "",
					      a + strlen("-fno-builtin-"));
		if (!strcmp(a, "--explain")) {
			opt.explain = true;
			continue;
		}
		if (!strcmp(a, "--green-verbose")) {
			opt.verbose = true;
			continue;
		}
		if (!strcmp(a, "-save-temps")) {
			opt.save_temps = true;
			continue;
		}
		push(&opt.all, a);
		opt.stop_early |= stops_early(a);
		if (takes_value(a)) {
			if (i + 1 == argc)
				die("%s needs a value", a);
			value = argv[++i];
			push(&opt.all, value);
		}
		if (a[0] != '-' || !a[1])
			input(a);
		else if (starts(a, "-o") && a[2] && strcmp(a, "-o"))
			opt.output = a + 2;
		else
			option(a, value);
	}
}

/* -- steps ---------------------------------------------------------------- */

static char *base_name(const char *name, const char *ext)
{
	const char *slash = strrchr(name, '/');
	const char *base = slash ? slash + 1 : name;

	return format("%.*s%s", (int)(strlen(base) - strlen(extension(base))), base, ext);
}

/* -MD without -MF and -MT names files by the object, not by our temporary. */
static void dependency_options(struct list *cmd, const char *object, const char *source)
{
	const char *named = opt.output ? opt.output : NULL;
	char *file;

	if (!opt.deps)
		return;
	if (!opt.dep_target) {
		push(cmd, "-MT");
		push(cmd, object);
	}
	if (opt.dep_file) {
		file = strdup(opt.dep_file);
	} else if (named && opt.inputs.n == 1) {
		file = format("%.*s.d", (int)(strlen(named) - strlen(extension(named))), named);
	} else {
		file = base_name(source, ".d");
	}
	push(cmd, "-MF");
	push(cmd, file);
	free(file);
}

static void to_assembly(const char *source, const char *language, const char *object,
			const char *raw)
{
	struct list cmd = { 0 };

	push(&cmd, opt.clang);
	push_all(&cmd, &opt.compile);
	push(&cmd, "-S");
	push(&cmd, format("-fpass-plugin=%s/greenpass.so", opt.dir));
	push(&cmd, "-fno-omit-frame-pointer");
	push(&cmd, "-momit-leaf-frame-pointer");
	push(&cmd, "-fno-lto");
	push(&cmd, "-mllvm");
	push(&cmd, "-no-x86-call-frame-opt");
	push(&cmd, "-Wno-unused-command-line-argument");
	if (opt.explain)
		push(&cmd, "-gline-tables-only");
	push(&cmd, "-x");
	push(&cmd, language);
	push(&cmd, source);
	push(&cmd, "-o");
	push(&cmd, raw);
	dependency_options(&cmd, object, source);
	must(&cmd);
}

static void map_assembly(const char *raw, const char *done)
{
	struct list cmd = { 0 };

	push(&cmd, format("%s/greenmap", opt.dir));
	push(&cmd, opt.explain ? "--explain" : raw);
	push(&cmd, opt.explain ? raw : done);
	must(&cmd);
}

static bool is_option(const char *a)
{
	for (size_t i = 0; i < opt.all.n; i++)
		if (!strcmp(opt.all.v[i], a))
			return true;
	return false;
}

static void compile_mapped(const char *source, const char *language, const char *object,
			   const char *done)
{
	char *raw = format("%s/raw.s", opt.temp);
	char *options = format("%s%s%s%s%s%s", opt.no_growth ? "no-growth" : "growth",
			       opt.all_mapped ? " all-mapped" : "",
			       is_option("-ffunction-sections") ? " sections" : "",
			       opt.no_warn_depth ? " no-warn-depth" : "",
			       opt.explain ? " verbose" : "",
			       opt.not_libc ? opt.not_libc : "");

	setenv("GREENCC_PASS_OPTIONS", options, 1);
	to_assembly(source, language, object, raw);
	map_assembly(raw, done);
	free(options);
	free(raw);
}

static bool is_for_assembler(const char *a)
{
	/* Debug information is in the directives already. */
	return !starts(a, "-g") && !starts(a, "-M") && !starts(a, "-std=") &&
	       (!starts(a, "-W") || starts(a, "-Wa,")) && strcmp(a, "-pedantic");
}

static void assemble(const char *text, const char *object)
{
	struct list cmd = { 0 };

	push(&cmd, opt.clang);
	for (size_t i = 0; i < opt.compile.n; i++) {
		const char *a = opt.compile.v[i];

		if (takes_value(a)) {
			/* Include paths and the like: nothing for an assembler. */
			if (!strcmp(a, "-target") || !strcmp(a, "-Xassembler")) {
				push(&cmd, a);
				push(&cmd, opt.compile.v[i + 1]);
			}
			i++;
		} else if (is_for_assembler(a)) {
			push(&cmd, a);
		}
	}
	push(&cmd, "-Wno-unused-command-line-argument");
	push(&cmd, "-c");
	push(&cmd, text);
	push(&cmd, "-o");
	push(&cmd, object);
	must(&cmd);
}

static void compile_to_object(const char *source, const char *language,
			      const char *object, const char *named)
{
	char *done = format("%s/mapped.s", opt.temp);

	compile_mapped(source, language, named, done);
	if (!opt.explain)
		assemble(done, object);
	free(done);
}

static int compile_only(void)
{
	if (opt.output && opt.inputs.n > 1)
		die("-o with -c or -S and several files");
	for (size_t i = 0; i < opt.inputs.n; i++) {
		const char *source = opt.inputs.v[i], *language = opt.languages.v[i];
		const char *ext = opt.to_assembly ? ".s" : ".o";
		char *object = opt.output ? strdup(opt.output) : base_name(source, ext);

		if (opt.to_assembly && !opt.explain)
			compile_mapped(source, language, object,
				       strcmp(object, "-") ? object : "/dev/stdout");
		else
			compile_to_object(source, language, object, object);
		free(object);
	}
	return 0;
}

/*
 * A shared library registers its maps, and a program that may load some lets them
 * find libgreen. Programs without libgreen run as if clang had compiled them.
 */
static void link_options(struct list *cmd)
{
	/* The last ones it has in the place of others'. */
	static const char *const exported[] = {
		"green_*", "longjmp", "_longjmp", "siglongjmp", "__longjmp_chk", "_Unwind_SetIP",
	};

	if (is_option("-r") || is_option("-nostdlib"))
		return;
	/* With --gc-sections it drops what is found by its section's name: the maps. */
	if (is_option("-fuse-ld=lld"))
		push(cmd, "-Wl,-z,nostart-stop-gc");
	if (is_option("-shared"))
		push(cmd, format("%s/greenshared.o", opt.dir));
	else if (!is_option("-static") && !is_option("-static-pie") &&
		 !is_option("-fuse-ld=gold"))
		for (size_t i = 0; i < sizeof(exported) / sizeof(exported[0]); i++)
			push(cmd, format("-Wl,--export-dynamic-symbol=%s", exported[i]));
	/* Last: what libgreen has is not taken from there. */
	push(cmd, format("%s/libgreenstubs.a", opt.dir));
}

/* Each C file is replaced by its object, in its place among the others. */
static int compile_and_link(void)
{
	struct list cmd = { 0 };
	size_t next = 0;

	push(&cmd, opt.clang);
	for (size_t i = 0; i < opt.link.n; i++) {
		const char *a = opt.link.v[i];
		char *object;

		if (a[0] == '-' && takes_value(a)) {
			push(&cmd, a);
			push(&cmd, opt.link.v[++i]);
			continue;
		}
		if (next == opt.inputs.n || strcmp(a, opt.inputs.v[next])) {
			push(&cmd, a);
			continue;
		}
		object = format("%s/%zu-%s", opt.temp, i, base_name(a, ".o"));
		compile_to_object(a, opt.languages.v[next++], object,
				  opt.output ? opt.output : base_name(a, ".o"));
		push(&cmd, object);
		free(object);
	}
	link_options(&cmd);
	push(&cmd, "-Wno-unused-command-line-argument");
	if (opt.output) {
		push(&cmd, "-o");
		push(&cmd, opt.output);
	}
	return run(&cmd, NULL);
}

static int clang_alone(void)
{
	struct list cmd = { 0 };

	push(&cmd, opt.clang);
	push_all(&cmd, &opt.all);
	if (opt.other_inputs && !opt.stop_early && !opt.compile_only && !opt.to_assembly)
		link_options(&cmd);
	return run(&cmd, NULL);
}

static void find_own_directory(void)
{
	ssize_t n = readlink("/proc/self/exe", opt.dir, sizeof(opt.dir) - 1);
	char *slash;

	if (n < 0)
		die("/proc/self/exe: %s", strerror(errno));
	opt.dir[n] = '\0';
	slash = strrchr(opt.dir, '/');
	*slash = '\0';
}

int main(int argc, char **argv)
{
	struct list args = { 0 };

	opt.clang = getenv("GREENCC_CLANG") ? getenv("GREENCC_CLANG") : DEFAULT_CLANG;
	find_own_directory();
	for (int i = 1; i < argc; i++)
		expand(&args, argv[i], 0);
	parse(args.n, args.v);
	if (opt.stop_early)
		return clang_alone();
	if (opt.refusal)
		die("%s", opt.refusal);
	if (!opt.inputs.n && (opt.other_inputs || !opt.explain))
		return clang_alone();
	if (!opt.inputs.n)
		die("no input files");
	catch_signals();
	make_temp_dir();
	if (opt.explain) {
		for (size_t i = 0; i < opt.inputs.n; i++)
			compile_to_object(opt.inputs.v[i], opt.languages.v[i],
					  opt.inputs.v[i], opt.inputs.v[i]);
		return 0;
	}
	if (opt.compile_only && opt.other_inputs)
		die("compile C files and other inputs in separate calls");
	return opt.compile_only || opt.to_assembly ? compile_only() : compile_and_link();
}
