// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* echo PORT: sends back what comes, a thread for each connection, until it is killed. */
#include "bench_green.h"
#include "../listen.h"

#define MESSAGE 4096

static void serves(void *arg)
{
	const int fd = (int)(long)arg;
	char *buf = malloc(MESSAGE);
	ssize_t n;

	while ((n = green_recv(fd, buf, MESSAGE, 0)) > 0 &&
	       green_send(fd, buf, (size_t)n, MSG_NOSIGNAL) == n)
		;
	free(buf);
	green_close(fd);
}

static int start(void *arg)
{
	const int listener = *(int *)arg;
	int fd;

	while ((fd = green_accept(listener, NULL, NULL, 0)) >= 0)
		green_detach(go_or_die(serves, (void *)(long)fd));
	return fd;
}

int bench_echo(const long *arg)
{
	int listener = listen_on(arg[0]);

	return run_green(NULL, start, &listener);
}
