/* SPDX-License-Identifier: MIT */
/* A connection: read a request, answer it, and again. */
#define _GNU_SOURCE
#include "httpd.h"

#include <errno.h>
#include <green.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const char *status_text(int status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 408: return "Request Timeout";
	case 414: return "URI Too Long";
	case 431: return "Request Header Fields Too Large";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	case 505: return "HTTP Version Not Supported";
	default: return "Internal Server Error";
	}
}

static void set_timeout(void)
{
	green_deadline(green_now_ns() + httpd.timeout_ns);
}

/* How often this stack was moved so far. */
static uint64_t moves(void)
{
	struct green_stack_info info;

	green_stack_info(green_self(), &info);
	return info.moves;
}

/* ---- sending ---------------------------------------------------------- */

static size_t put(struct conn *c, size_t at, const char *text)
{
	return at + (size_t)snprintf(c->out + at, sizeof(c->out) - at, "%s", text);
}

static size_t put_number(struct conn *c, size_t at, const char *format, intmax_t n)
{
	return at + (size_t)snprintf(c->out + at, sizeof(c->out) - at, format, n);
}

static size_t put_date(struct conn *c, size_t at, const char *format, time_t when)
{
	struct tm tm;

	if (!gmtime_r(&when, &tm))
		return at;
	return at + strftime(c->out + at, sizeof(c->out) - at, format, &tm);
}

/* The head of an answer, into @c->out; returns its size. */
static size_t put_head(struct conn *c, int status, const char *type, off_t length)
{
	size_t at = put_number(c, 0, "HTTP/1.1 %jd ", status);

	at = put(c, at, status_text(status));
	at = put_date(c, at, "\r\nDate: %a, %d %b %Y %H:%M:%S GMT", time(NULL));
	at = put(c, at, "\r\nContent-Type: ");
	at = put(c, at, type);
	at = put_number(c, at, "\r\nContent-Length: %jd\r\n", length);
	if (status == 405)
		at = put(c, at, "Allow: GET, HEAD\r\n");
	if (!c->req.keep_alive)
		at = put(c, at, "Connection: close\r\n");
	else if (!c->req.minor)
		at = put(c, at, "Connection: keep-alive\r\n");
	return at;
}

/* The first @len bytes of @c->out. */
static int send_out(struct conn *c, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		set_timeout();
		n = green_send(c->fd, c->out + done, len - done, MSG_NOSIGNAL);
		if (n < 0) {
			httpd.aborted++;
			return (int)n;
		}
		done += (size_t)n;
		httpd.bytes += (size_t)n;
	}
	return 0;
}

static int send_status(struct conn *c, int status)
{
	const char *text = status_text(status);
	size_t at;

	if (status == 500 || status == 503)
		httpd.failures++;
	at = put_head(c, status, "text/plain", (off_t)strlen(text) + 1);
	at = put(c, at, "\r\n");
	if (c->req.method != METHOD_HEAD) {
		at = put(c, at, text);
		at = put(c, at, "\n");
	}
	return send_out(c, at);
}

/* As much of the @left bytes of a file as @c->out holds behind @at. */
static ssize_t read_file(struct conn *c, int fd, size_t at, off_t left)
{
	size_t room = sizeof(c->out) - at;
	ssize_t n;

	if (!left)
		return 0;
	set_timeout();
	n = green_read(fd, c->out + at, left < (off_t)room ? (size_t)left : room);
	if (n > 0)
		return n;
	httpd.failures++;	/* unreadable, or shorter than was promised */
	return -EIO;
}

/* The file, behind the @at bytes of head that @c->out begins with. */
static int send_body(struct conn *c, int fd, size_t at)
{
	off_t left = c->st.st_size;
	ssize_t n;
	int err;

	do {
		n = read_file(c, fd, at, left);
		if (n < 0)
			return -EIO;
		err = send_out(c, at + (size_t)n);
		at = 0;
		left -= n;
	} while (!err && left);
	return err;
}

static int send_file(struct conn *c, const char *path)
{
	int fd = file_open(c, path);
	struct green_defer closing;
	size_t at;

	if (fd < 0)
		return send_status(c, -fd);

	GREEN_SCOPE;
	green_defer_at(&closing, green_close, fd);

	at = put_head(c, 200, c->type, c->st.st_size);
	at = put_date(c, at, "Last-Modified: %a, %d %b %Y %H:%M:%S GMT\r\n\r\n",
		      c->st.st_mtime);
	if (c->req.method == METHOD_HEAD)
		return send_out(c, at);
	return send_body(c, fd, at);
}

/* The same file, but with something on the stack that is not ours. */
static int send_foreign(struct conn *c, const char *path)
{
	struct green_defer counting;

	GREEN_SCOPE;
	green_defer_at(&counting, foreign_count, &httpd.foreign);
	return send_file(c, path);
}

/* ---- receiving -------------------------------------------------------- */

/*
 * The size of the next request, which @c->in then begins with; 0 if there is
 * none; or minus the status to answer with.
 */
static int read_request(struct conn *c)
{
	ssize_t n;
	int size;

	set_timeout();
	for (;;) {
		size = c->have ? request_parse(&c->req, c->in, c->have) : 0;
		if (size)
			return size;
		n = green_recv(c->fd, c->in + c->have, sizeof(c->in) - c->have, 0);
		if (n == -ETIMEDOUT && c->have)
			return -408;
		if (n <= 0)
			return 0;
		if (!c->have)
			set_timeout();
		c->have += (size_t)n;
	}
}

static int answer(struct conn *c, int size)
{
	if (size < 0) {
		c->req.keep_alive = false;
		return send_status(c, -size);
	}
	/* A body has no meaning here; skipping it would keep the connection. */
	if (c->req.has_body || httpd.stopping)
		c->req.keep_alive = false;
	if (c->req.method == METHOD_OTHER)
		return send_status(c, 405);
	if (!strncmp(c->req.path, "foreign/", 8))
		return send_foreign(c, c->req.path + 8);
	return send_file(c, c->req.path);
}

/* Whether there may be another. */
static bool serve_request(struct conn *c)
{
	int size = read_request(c);
	uint64_t before = moves();
	int err;

	if (!size)
		return false;
	set_timeout();
	err = answer(c, size);
	httpd.moves += moves() - before;
	if (err)
		return false;
	httpd.requests++;
	if (!c->req.keep_alive)
		return false;
	c->have -= (size_t)size;
	memmove(c->in, c->in + size, c->have);
	return true;
}

/*
 * Closing a socket that has unread input resets the connection, and the client
 * may lose the end of our answer: say that it was all, and wait for the client.
 */
static void linger(struct conn *c)
{
	set_timeout();
	if (green_shutdown(c->fd, SHUT_WR))
		return;
	while (green_recv(c->fd, c->in, sizeof(c->in), 0) > 0)
		;
}

static void conn_free(struct conn *c)
{
	httpd.live--;
	free(c);
}

void conn_run(void *arg)
{
	struct conn *c = arg;
	struct green_defer freeing, closing;

	GREEN_SCOPE;
	green_defer_at(&freeing, conn_free, c);
	green_defer_at(&closing, green_close, c->fd);

	while (serve_request(c))
		;
	linger(c);
}
