// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * runner [first step]: runs the programs that are linked with it, or each step-th
 * from the first on, and says of each, in a line, how it ended:
 *
 *	name 0			it returned, or called exit(0)
 *	name exit 3
 *	name signal 6
 *	name time		it took more than TORTURE_SECONDS of the processor
 *
 * The last line begins with # and sums up what happened to the stacks. With
 * TORTURE_STACK each main() is a green thread's, with a first stack of so many
 * bytes. Each program is a process of its own; what it prints goes to the standard
 * error output.
 */
#include <errno.h>
#include <green.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

struct program {
	const char *name;
	int (*main)(int argc, char **argv, char **envp);
};

/* Ends with one that has no name; run.sh writes it. */
extern const struct program programs[];

/* Of all processes; only one of them is alive at a time. */
static struct counts {
	uint64_t moves, segments, refused;
} *counts;

static int green_main_status;

static void add_counts(void)
{
	static struct green_stats s;

	if (green_stats(&s))
		return;
	counts->moves += s.moves_kernel + s.moves_copy;
	counts->segments += s.segments;
	for (int i = 0; i < GREEN_NOMOVE_REASONS; i++)
		counts->refused += s.refused[i];
}

static int call_main(const struct program *p)
{
	static char *argv[2];
	static char *envp[1];

	argv[0] = (char *)p->name;
	return p->main(1, argv, envp);
}

static void green_main(void *p)
{
	green_main_status = call_main(p);
}

static int start(void *p)
{
	struct green_attr attr = {
		.name = "main",
		.stack_size = strtoul(getenv("TORTURE_STACK"), NULL, 0),
	};
	green_t *t = green_go_opt(&attr, green_main, p);

	/* Within green_run(): after it the counts are gone. */
	if (!t || atexit(add_counts))
		exit(125);
	green_join(t);
	exit(green_main_status);
}

static void run(const struct program *p)
{
	static struct green_options opt = { .workers = 1, .max_stack = 64 << 20 };
	const char *seconds = getenv("TORTURE_SECONDS");
	rlim_t limit = seconds ? strtoul(seconds, NULL, 0) : 10;
	int err;

	setrlimit(RLIMIT_CPU, &(struct rlimit){ limit, limit + 1 });
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	alarm(limit * 20);
	dup2(2, 1);
	if (!getenv("TORTURE_STACK"))
		exit(call_main(p));
	err = green_run(&opt, start, (void *)p);
	fprintf(stderr, "green_run: %s\n", strerror(-err));
	_exit(125);
}

static void say_end(const char *name, int status)
{
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	if (sig == SIGXCPU || sig == SIGALRM)
		printf("%s time\n", name);
	else if (sig)
		printf("%s signal %d\n", name, sig);
	else if (WEXITSTATUS(status))
		printf("%s exit %d\n", name, WEXITSTATUS(status));
	else
		printf("%s 0\n", name);
}

int main(int argc, char **argv)
{
	unsigned long first = argc > 2 ? strtoul(argv[1], NULL, 10) : 0;
	unsigned long step = argc > 2 ? strtoul(argv[2], NULL, 10) : 1;
	int status;
	pid_t pid;

	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (counts == MAP_FAILED)
		return 125;
	for (unsigned long i = 0; programs[i].name; i++) {
		if (i % step != first)
			continue;
		fflush(stdout);
		pid = fork();
		if (!pid)
			run(&programs[i]);
		if (pid < 0 || waitpid(pid, &status, 0) < 0)
			return 125;
		say_end(programs[i].name, status);
	}
	printf("# %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", counts->moves, counts->segments,
	       counts->refused);
	return 0;
}
