/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Running other programs, and the files between them. */
#define _GNU_SOURCE
#include "driver.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static char temp[PATH_MAX];	/* directory of temporary files, or "" */

static void remove_temporaries(void)
{
	char *cmd[] = { "rm", "-rf", temp, NULL };
	pid_t pid;

	if (!temp[0] || opt.save_temps)
		return;
	if (!posix_spawnp(&pid, "rm", NULL, NULL, cmd, environ))
		waitpid(pid, NULL, 0);
	temp[0] = '\0';
}

void die(const char *fmt, ...)
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

	snprintf(temp, sizeof(temp), "%s/greencc-XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(temp)) {
		char *name = strdup(temp);

		temp[0] = '\0';
		die("%s: %s", name, strerror(errno));
	}
	atexit(remove_temporaries);
}

void begin_steps(void)
{
	catch_signals();
	make_temp_dir();
}

char *temporary(const char *name)
{
	return format("%s/%s", temp, name);
}

int run(const struct list *cmd)
{
	int status, err;
	pid_t pid;

	if (opt.verbose) {
		for (size_t i = 0; i < cmd->n; i++)
			fprintf(stderr, "%s%s", i ? " " : "", cmd->v[i]);
		fputc('\n', stderr);
	}
	err = posix_spawnp(&pid, cmd->v[0], NULL, NULL, cmd->v, environ);
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

void must(const struct list *cmd)
{
	int rc = run(cmd);

	if (rc)
		exit(rc);
}
