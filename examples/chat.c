/* SPDX-License-Identifier: MIT */
/*
 * A chat: what one client writes, a line at a time, all read, in the same order. The hub
 * alone knows who is there. Who does not read what others write is shown out.
 *
 *	chat [port [workers]]: prints the port that it listens on, on the loopback
 */
#include <arpa/inet.h>
#include <errno.h>
#include <green_sync.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLIENTS	256
#define PENDING	64			/* lines that a client has not taken yet */

struct line {
	unsigned int len;
	char text[252];
};

struct client {
	int fd;
	green_chan_t *lines;		/* that it is to read */
};

static green_chan_t *joins, *leaves, *says;	/* to the hub */

static void tell(const struct client *c, const struct line *line)
{
	if (green_chan_try_send(c->lines, line) == -EAGAIN) {
		green_chan_close(c->lines);
		green_shutdown(c->fd, SHUT_RDWR);
	}
}

static void hub(void *arg)
{
	struct client client[CLIENTS], who;
	unsigned int nr = 0, i;
	struct line line;

	for (;;) {
		struct green_case cases[] = {
			GREEN_RECV(leaves, &who), GREEN_RECV(says, &line),
			GREEN_RECV(nr < CLIENTS ? joins : NULL, &who),
		};

		switch (green_select(cases, 3)) {
		case 0:
			for (i = nr; i--;)
				if (client[i].lines == who.lines)
					client[i] = client[--nr];
			green_chan_close(who.lines);
			break;
		case 1:
			for (i = 0; i < nr; i++)
				tell(&client[i], &line);
			break;
		case 2:
			client[nr++] = who;
		}
	}
}

/* Until the hub closes the channel, or the client is gone. */
static void writes(void *arg)
{
	const struct client *c = arg;
	struct line line;

	while (green_chan_recv(c->lines, &line) == 0)
		if (green_send(c->fd, line.text, line.len, 0) < 0)
			break;
	green_shutdown(c->fd, SHUT_RDWR);
}

static void reads(int fd, char *buf, size_t size)
{
	struct line line = { 0 };
	ssize_t n;

	while ((n = green_recv(fd, buf, size, 0)) > 0)
		for (ssize_t i = 0; i < n; i++) {
			line.text[line.len++] = buf[i];
			if (buf[i] != '\n' && line.len < sizeof(line.text))
				continue;
			green_chan_send(says, &line);
			line.len = 0;
		}
}

static void serve(void *arg)
{
	struct client c = { (int)(intptr_t)arg, green_chan_new(sizeof(struct line), PENDING) };
	green_t *writer = green_go(writes, &c);
	char *buf = malloc(4096);

	if (writer && c.lines && buf) {
		green_chan_send(joins, &c);
		reads(c.fd, buf, 4096);
		green_chan_send(leaves, &c);
	}
	green_join(writer);
	green_chan_free(c.lines);
	green_close(c.fd);
	free(buf);
}

static int listen_on(unsigned int port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0), most = 65536;

	/* What the kernel holds for a client is bounded, too. */
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &most, sizeof(most));
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, len) || listen(fd, 64) ||
	    getsockname(fd, (struct sockaddr *)&addr, &len))
		return -1;
	dprintf(STDOUT_FILENO, "%u\n", ntohs(addr.sin_port));
	return fd;
}

static int run(void *port)
{
	int fd = listen_on(*(unsigned int *)port), client;

	joins = green_chan_new(sizeof(struct client), 0);
	leaves = green_chan_new(sizeof(struct client), 0);
	says = green_chan_new(sizeof(struct line), 0);
	green_detach(green_go(hub, NULL));
	while (fd >= 0 && (client = green_accept(fd, NULL, NULL, 0)) >= 0)
		green_detach(green_go(serve, (void *)(intptr_t)client));
	return 1;
}

int main(int argc, char **argv)
{
	unsigned int port = argc > 1 ? atoi(argv[1]) : 0;
	struct green_options opt = { .workers = argc > 2 ? (unsigned int)atoi(argv[2]) : 1 };

	return green_run(&opt, run, &port) ? EXIT_FAILURE : EXIT_SUCCESS;
}
