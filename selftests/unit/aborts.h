/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* Does an assertion of the library notice it? */
#ifndef ABORTS_H
#define ABORTS_H

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

static inline bool aborts(void (*fn)(void *), void *arg)
{
	pid_t pid = fork();
	int status = 0;

	if (!pid) {
		/* What it says is as expected. */
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		fn(arg);
		_exit(0);
	}
	return waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) &&
	       WTERMSIG(status) == SIGABRT;
}

#endif
