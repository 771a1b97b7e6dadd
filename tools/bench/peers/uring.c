// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * echo PORT: sends back what comes, by io_uring and nothing else: a state machine, and
 * so what a server with a thread for each connection can at best come near to.
 */
#include <liburing.h>

#include "../bench.h"
#include "../listen.h"

#define MESSAGE 4096
#define ENTRIES 4096

struct connection {
	int fd;
	int sends;		/* else it receives */
	char buf[MESSAGE];
};

static struct io_uring ring;

static struct io_uring_sqe *next_sqe(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (sqe)
		return sqe;
	io_uring_submit(&ring);
	return io_uring_get_sqe(&ring);
}

/* The accept is the operation without a connection. */
static void accept_next(int listener)
{
	struct io_uring_sqe *sqe = next_sqe();

	io_uring_prep_accept(sqe, listener, NULL, NULL, 0);
	io_uring_sqe_set_data(sqe, NULL);
}

static void receive(struct connection *c)
{
	struct io_uring_sqe *sqe = next_sqe();

	c->sends = 0;
	io_uring_prep_recv(sqe, c->fd, c->buf, MESSAGE, 0);
	io_uring_sqe_set_data(sqe, c);
}

static void send_back(struct connection *c, int n)
{
	struct io_uring_sqe *sqe = next_sqe();

	c->sends = 1;
	io_uring_prep_send(sqe, c->fd, c->buf, (size_t)n, MSG_NOSIGNAL);
	io_uring_sqe_set_data(sqe, c);
}

static void begin(int fd)
{
	struct connection *c = malloc(sizeof(*c));

	if (fd < 0 || !c)
		exit(1);
	c->fd = fd;
	receive(c);
}

static void end(struct connection *c)
{
	close(c->fd);
	free(c);
}

static void handle(const struct io_uring_cqe *cqe, int listener)
{
	struct connection *c = io_uring_cqe_get_data(cqe);

	if (!c) {
		begin(cqe->res);
		accept_next(listener);
	} else if (cqe->res <= 0) {
		end(c);
	} else if (c->sends) {
		receive(c);
	} else {
		send_back(c, cqe->res);
	}
}

static int bench_echo(const long *arg)
{
	const int listener = listen_on(arg[0]);
	struct io_uring_cqe *cqe;
	unsigned int head, n;
	int err;

	err = io_uring_queue_init(ENTRIES, &ring, IORING_SETUP_SINGLE_ISSUER |
				  IORING_SETUP_DEFER_TASKRUN);
	if (err) {
		fprintf(stderr, "io_uring_setup: %s\n", strerror(-err));
		return BENCH_SKIP;
	}
	accept_next(listener);
	while (io_uring_submit_and_wait(&ring, 1) >= 0) {
		n = 0;
		io_uring_for_each_cqe(&ring, head, cqe) {
			handle(cqe, listener);
			n++;
		}
		io_uring_cq_advance(&ring, n);
	}
	return 1;
}

int main(int argc, char **argv)
{
	static const struct bench benches[] = { { "echo", bench_echo }, { NULL, NULL } };

	return bench_main(benches, argc, argv);
}
