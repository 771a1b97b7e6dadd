// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* I/O by io_uring: each call against what the system call says. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <green.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "alone.h"
#include "kselftest_harness.h"

#define MUST(c) do { if (!(c)) return __LINE__; } while (0)

static int files(void *arg)
{
	char path[] = "/tmp/green-io-XXXXXX", buf[16] = "";
	int fd = mkstemp(path);

	(void)arg;
	MUST(fd >= 0);
	MUST(green_write(fd, "0123456789", 10) == 10);
	MUST(green_pread(fd, buf, 4, 3) == 4 && !memcmp(buf, "3456", 4));
	MUST(green_read(fd, buf, 4) == 0);
	MUST(green_close(fd) == 0);
	MUST(green_close(fd) == -EBADF);
	fd = green_openat(AT_FDCWD, path, O_RDONLY, 0);
	MUST(fd >= 0);
	MUST(green_read(fd, buf, sizeof(buf)) == 10);
	MUST(green_write(fd, "x", 1) == -EBADF);
	MUST(green_close(fd) == 0);
	MUST(unlink(path) == 0);
	MUST(green_openat(AT_FDCWD, path, O_RDONLY, 0) == -ENOENT);
	return 0;
}

TEST(files_are_read_and_written)
{
	EXPECT_EQ(0, green_run(&alone, files, NULL));
}

static int listener(struct sockaddr_in *addr)
{
	socklen_t len = sizeof(*addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	memset(addr, 0, sizeof(*addr));
	addr->sin_family = AF_INET;
	addr->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (void *)addr, sizeof(*addr)) || listen(fd, 64) ||
	    getsockname(fd, (void *)addr, &len))
		return -1;
	return fd;
}

static void echo(void *arg)
{
	int fd = (int)(intptr_t)arg;
	char buf[256];
	ssize_t n;

	while ((n = green_recv(fd, buf, sizeof(buf), 0)) > 0)
		green_send(fd, buf, n, 0);
	green_close(fd);
}

static struct sockaddr_in server;
static int answered;

static void client(void *arg)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), i;
	char out[64], in[64];

	snprintf(out, sizeof(out), "client %ld", (long)arg);
	if (green_connect(fd, (void *)&server, sizeof(server)))
		return;
	for (i = 0; i < 20; i++) {
		green_send(fd, out, sizeof(out), 0);
		memset(in, 0, sizeof(in));
		if (green_recv(fd, in, sizeof(in), MSG_WAITALL) == sizeof(in) &&
		    !strcmp(in, out))
			answered++;
	}
	green_shutdown(fd, SHUT_RDWR);
	green_close(fd);
}

static int echo_server(void *arg)
{
	int lfd = listener(&server), i, fd;
	green_t *c[50];

	(void)arg;
	MUST(lfd >= 0);
	for (i = 0; i < 50; i++)
		c[i] = green_go(client, (void *)(long)i);
	for (i = 0; i < 50; i++) {
		fd = green_accept(lfd, NULL, NULL, SOCK_CLOEXEC);
		MUST(fd >= 0);
		MUST(green_detach(green_go(echo, (void *)(intptr_t)fd)) == 0);
	}
	for (i = 0; i < 50; i++)
		MUST(green_join(c[i]) == 0);
	return green_close(lfd);
}

TEST(fifty_clients_of_an_echo_server)
{
	answered = 0;
	EXPECT_EQ(0, green_run(&alone, echo_server, NULL));
	EXPECT_EQ(1000, answered);
}

static int deadlines(void *arg)
{
	int fd[2];
	char c;

	(void)arg;
	MUST(pipe(fd) == 0);
	green_deadline(green_now_ns() + 5000000);
	MUST(green_read(fd[0], &c, 1) == -ETIMEDOUT);
	/* It has passed: at once, and nothing is started. */
	MUST(green_poll(fd[0], POLLIN) == -ETIMEDOUT);
	green_deadline(0);
	MUST(green_write(fd[1], "x", 1) == 1);
	MUST(green_poll(fd[0], POLLIN) == POLLIN);
	green_deadline(green_now_ns() + 3600000000000ull);
	MUST(green_read(fd[0], &c, 1) == 1 && c == 'x');
	/* Closing takes place after the deadline too. */
	green_deadline(1);
	MUST(green_close(fd[0]) == 0);
	MUST(green_close(fd[1]) == 0);
	MUST(fcntl(fd[0], F_GETFD) == -1);
	return 0;
}

TEST(deadlines_end_waits)
{
	EXPECT_EQ(0, green_run(&alone, deadlines, NULL));
}

static int pipe_fd[2];
static int got;

static void wait_byte(void *arg)
{
	char c;

	(void)arg;
	got += green_read(pipe_fd[0], &c, 1) == 1;
}

/* More operations at once than the ring has entries. */
static int many(void *arg)
{
	static green_t *t[5000];
	static char bytes[5000];
	int i;

	(void)arg;
	MUST(pipe(pipe_fd) == 0);
	for (i = 0; i < 5000; i++)
		MUST(t[i] = green_go(wait_byte, NULL));
	green_sleep_ns(1000000);
	MUST(green_write(pipe_fd[1], bytes, 5000) == 5000);
	for (i = 0; i < 5000; i++)
		MUST(green_join(t[i]) == 0);
	return 0;
}

TEST(five_thousand_waits_at_once)
{
	EXPECT_EQ(0, green_run(&alone, many, NULL));
	EXPECT_EQ(5000, got);
}

TEST_HARNESS_MAIN
