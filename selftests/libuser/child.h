/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What ends a child, and what it says on stderr before that. */
#ifndef CHILD_H
#define CHILD_H

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ... the last that there was; cut where it is longer. */
static char said[4096];

/* The child exits with what @fn returns. Returns what waitpid() says of it, or -1. */
static int child(int (*fn)(void *), void *arg)
{
	int fd[2], status;
	size_t n = 0;
	ssize_t got;
	pid_t pid;

	if (pipe(fd))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(fd[1], STDERR_FILENO);
		_exit(fn(arg));
	}
	close(fd[1]);
	memset(said, 0, sizeof(said));
	while ((got = read(fd[0], said + n, sizeof(said) - 1 - n)) > 0)
		n += got;
	close(fd[0]);
	return waitpid(pid, &status, 0) == pid ? status : -1;
}

static inline bool is_abort(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
