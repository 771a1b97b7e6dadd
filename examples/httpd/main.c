/* SPDX-License-Identifier: MIT */
/*
 * httpd: serves the files of a directory, with a green thread for each
 * connection. At SIGTERM, SIGINT or after a time it stops and reports what it
 * did, and what green did with its stacks.
 */
#define _GNU_SOURCE
#include "httpd.h"

#include <errno.h>
#include <fcntl.h>
#include <green.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SECOND	1000000000ULL
#define MAX_REFUSALS 32

struct httpd httpd = { .timeout_ns = 10 * SECOND };

static int listen_fd, signal_fd;
static uint64_t limit_ns;

/* What green has to tell, taken down before its end. */
static struct green_stats stats;
static struct refusal {
	struct green_nomove what;
	uint64_t count;
} refusals[MAX_REFUSALS];

/* ---- green threads ---------------------------------------------------- */

/* Ends the accept loop. */
static void wait_for_end(void *unused)
{
	(void)unused;
	if (limit_ns)
		green_deadline(green_now_ns() + limit_ns);
	green_poll(signal_fd, POLLIN);
	httpd.stopping = true;
	green_deadline(0);
	green_shutdown(listen_fd, SHUT_RDWR);
}

static void start_conn(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	green_t *t = NULL;

	if (c) {
		c->fd = fd;
		t = green_go(conn_run, c);
	}
	if (!t) {
		httpd.failures++;
		green_close(fd);
		free(c);
		return;
	}
	httpd.connections++;
	httpd.live++;
	green_detach(t);
}

static void take_down_stats(void)
{
	unsigned int i;

	green_stats(&stats);
	for (i = 0; i < MAX_REFUSALS; i++)
		refusals[i].count = green_refusal(i, &refusals[i].what);
}

static int serve(void *unused)
{
	green_t *end = green_go(wait_for_end, NULL);
	uint64_t at;
	int fd;

	(void)unused;
	if (!end)
		return -ENOMEM;
	green_detach(end);
	while (!httpd.stopping) {
		fd = green_accept(listen_fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			start_conn(fd);
		else if (!httpd.stopping)
			green_sleep_ns(SECOND / 100);	/* out of descriptors */
	}
	at = green_now_ns() + SECOND;
	while (httpd.live && green_now_ns() < at)
		green_sleep_ns(SECOND / 100);
	take_down_stats();
	return 0;
}

/* ---- the report ------------------------------------------------------- */

static void report(FILE *f, const char *format)
{
	const struct {
		const char *name;
		uint64_t value;
	} lines[] = {
		{ "connections", httpd.connections },
		{ "requests", httpd.requests },
		{ "bytes sent", httpd.bytes },
		{ "failures", httpd.failures },
		{ "aborted by the client", httpd.aborted },
		{ "foreign requests", httpd.foreign },
		{ "switches", stats.switches },
		{ "moves by the kernel", stats.moves_kernel },
		{ "moves by copy", stats.moves_copy },
		{ "moves with I/O in flight", stats.moves_io },
		{ "moves while answering", httpd.moves },
	};
	char name[100];
	size_t i;

	for (i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		fprintf(f, format, lines[i].name, lines[i].value);
	for (i = 0; i < MAX_REFUSALS && refusals[i].count; i++) {
		snprintf(name, sizeof(name), "refused %s %s",
			 green_nomove_name(refusals[i].what.reason),
			 refusals[i].what.function);
		fprintf(f, format, name, refusals[i].count);
	}
}

static int report_to_file(const char *path)
{
	FILE *f = fopen(path, "w");

	if (!f)
		return -1;
	report(f, "%s=%" PRIu64 "\n");
	return fclose(f);
}

/* ---- the beginning ---------------------------------------------------- */

static int open_listener(const char *address, const char *port)
{
	static const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *ai;
	int fd, err, on = 1;

	err = getaddrinfo(address, port, &hints, &ai);
	if (err) {
		fprintf(stderr, "httpd: %s port %s: %s\n", address, port, gai_strerror(err));
		return -1;
	}
	fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) ||
	    bind(fd, ai->ai_addr, ai->ai_addrlen) || listen(fd, SOMAXCONN)) {
		fprintf(stderr, "httpd: %s port %s: %s\n", address, port, strerror(errno));
		fd = -1;
	}
	freeaddrinfo(ai);
	return fd;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* "1.5" seconds, in nanoseconds. */
static uint64_t seconds(const char *s)
{
	char *end;
	double value = strtod(s, &end);

	if (end == s || *end || value <= 0 || value > 1e9) {
		fprintf(stderr, "httpd: %s is no time in seconds\n", s);
		exit(2);
	}
	return (uint64_t)(value * 1e9);
}

static int usage(void)
{
	fputs("usage: httpd [options] directory\n"
	      "  -a address  to listen on (127.0.0.1)\n"
	      "  -p port     to listen on (8080)\n"
	      "  -t seconds  that a client may take for a request (10)\n"
	      "  -d seconds  to run (until SIGTERM or SIGINT)\n"
	      "  -j file     to write the report to, as name=value\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *address = "127.0.0.1", *port = "8080", *file = NULL;
	int option, err;

	while ((option = getopt(argc, argv, "a:p:t:d:j:")) != -1) {
		switch (option) {
		case 'a': address = optarg; break;
		case 'p': port = optarg; break;
		case 't': httpd.timeout_ns = seconds(optarg); break;
		case 'd': limit_ns = seconds(optarg); break;
		case 'j': file = optarg; break;
		default: return usage();
		}
	}
	if (optind != argc - 1)
		return usage();
	httpd.root = open(argv[optind], O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (httpd.root < 0) {
		fprintf(stderr, "httpd: %s: %s\n", argv[optind], strerror(errno));
		return 1;
	}
	signal_fd = open_signals();
	listen_fd = open_listener(address, port);
	if (signal_fd < 0 || listen_fd < 0)
		return 1;

	err = green_run(&(struct green_options){ .workers = 1 }, serve, NULL);
	if (err) {
		fprintf(stderr, "httpd: green_run: %s\n", strerror(-err));
		return 1;
	}
	report(stdout, "%-44s %12" PRIu64 "\n");
	if (file && report_to_file(file)) {
		fprintf(stderr, "httpd: %s: %s\n", file, strerror(errno));
		return 1;
	}
	return 0;
}
