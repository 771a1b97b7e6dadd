// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * load echo|http PORT CONNECTIONS REQUESTS PID: asks the server on that port over so many
 * connections at once, each asking again when it has its answer, and prints the CPU time
 * in us that the process PID took for a request. Before that, a quarter as many are
 * asked without being counted.
 */
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define EVENTS 512
#define ECHO_BYTES 64
#define WAIT_MS 10000

static struct {
	const char *request;
	size_t asked, answered;		/* bytes of a request, and of its answer */
	long port;
	pid_t server;
	int epoll;
} load;

/* The bytes that are still to come, by descriptor. */
static size_t *missing;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* The CPU time of all threads that the server has. */
static uint64_t server_ns(void)
{
	char path[64], name[64 + sizeof(((struct dirent *)0)->d_name) + 16];
	unsigned long long ns;
	uint64_t sum = 0;
	struct dirent *e;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)load.server);
	dir = opendir(path);
	if (!dir)
		die(path);
	while ((e = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s/schedstat", path, e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(name, "r");
		if (!f)
			continue;
		if (fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		fclose(f);
	}
	closedir(dir);
	if (!sum) {
		fprintf(stderr, "load: the kernel has no /proc/pid/schedstat\n");
		exit(BENCH_SKIP);
	}
	return sum;
}

static int try_connect(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)load.port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0)
		die("socket");
	if (connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		close(fd);
		return -1;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

/* The server may just have been started. */
static int first_connection(void)
{
	int fd, i;

	for (i = 0; i < WAIT_MS / 10; i++) {
		fd = try_connect();
		if (fd >= 0)
			return fd;
		if (kill(load.server, 0))
			break;
		usleep(10000);
	}
	fprintf(stderr, "load: nobody listens\n");
	exit(1);
}

static void ask(int fd)
{
	missing[fd] = load.answered;
	if (send(fd, load.request, load.asked, MSG_NOSIGNAL) != (ssize_t)load.asked)
		die("send");
}

/* True if the answer is complete. */
static int take(int fd)
{
	char buf[8192];
	ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0 || (size_t)n > missing[fd]) {
		fprintf(stderr, "load: a wrong answer\n");
		exit(1);
	}
	missing[fd] -= (size_t)n;
	return !missing[fd];
}

/* Each descriptor has a request in flight, before and after. */
static void exchange(long requests)
{
	struct epoll_event events[EVENTS];
	int n, i;

	while (requests > 0) {
		n = epoll_wait(load.epoll, events, EVENTS, WAIT_MS);
		if (n <= 0)
			die("no answer");
		for (i = 0; i < n; i++) {
			if (take(events[i].data.fd)) {
				ask(events[i].data.fd);
				requests--;
			}
		}
	}
}

/* How long an answer to http is: a head, and as much as that says. */
static void learn_answer(int fd)
{
	char buf[8192] = "", *end, *length;
	size_t have = 0;
	ssize_t n;

	if (send(fd, load.request, load.asked, MSG_NOSIGNAL) < 0)
		die("send");
	do {
		n = recv(fd, buf + have, sizeof(buf) - 1 - have, 0);
		have += n > 0 ? (size_t)n : 0;
		end = strstr(buf, "\r\n\r\n");
	} while (n > 0 && !end);
	length = strstr(buf, "Content-Length: ");
	if (!end || !length || strncmp(buf, "HTTP/1.1 200", 12)) {
		fprintf(stderr, "load: not the file: %.40s\n", buf);
		exit(1);
	}
	load.answered = (size_t)(end + 4 - buf) + strtoul(length + 16, NULL, 10);
	while (have < load.answered && n > 0) {
		n = recv(fd, buf, sizeof(buf), 0);
		have += n > 0 ? (size_t)n : 0;
	}

}

static void open_connection(int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || epoll_ctl(load.epoll, EPOLL_CTL_ADD, fd, &e))
		die("connect");
	ask(fd);
}

int main(int argc, char **argv)
{
	static const char echo[ECHO_BYTES] = "echo";
	long connections, requests, i;
	uint64_t before;
	int fd;

	if (argc != 6) {
		fprintf(stderr, "usage: load echo|http port connections requests pid\n");
		return 2;
	}
	load.port = atol(argv[2]);
	connections = atol(argv[3]);
	requests = atol(argv[4]);
	load.server = atoi(argv[5]);
	load.epoll = epoll_create1(0);
	missing = calloc((size_t)connections + 64, sizeof(*missing));

	fd = first_connection();
	if (!strcmp(argv[1], "http")) {
		load.request = "GET /1k HTTP/1.1\r\nHost: localhost\r\n\r\n";
		load.asked = strlen(load.request);
		learn_answer(fd);
	} else {
		load.request = echo;
		load.asked = load.answered = ECHO_BYTES;
	}
	open_connection(fd);
	for (i = 1; i < connections; i++)
		open_connection(try_connect());
	exchange(requests / 4);
	before = server_ns();
	exchange(requests);
	figure("us", (double)(server_ns() - before) / 1000 / (double)requests);
	return 0;
}
