// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* echo PORT: sends back what comes, by epoll and nothing else. */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../bench.h"
#include "../listen.h"

#define MESSAGE 4096
#define EVENTS 512

static void watch(int epoll, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e))
		exit(1);
}

/* A client takes each answer before it asks again: there is always room for it. */
static void serve(int fd)
{
	static char buf[MESSAGE];
	ssize_t n = recv(fd, buf, MESSAGE, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0 || send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
		close(fd);
}

static int bench_echo(const long *arg)
{
	const int listener = listen_on(arg[0]), epoll = epoll_create1(0);
	struct epoll_event events[EVENTS];
	int n, i;

	watch(epoll, listener);
	while ((n = epoll_wait(epoll, events, EVENTS, -1)) >= 0) {
		for (i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				watch(epoll, accept(listener, NULL, NULL));
			else
				serve(events[i].data.fd);
		}
	}
	return 1;
}

int main(int argc, char **argv)
{
	static const struct bench benches[] = { { "echo", bench_echo }, { NULL, NULL } };

	return bench_main(benches, argc, argv);
}
