/* SPDX-License-Identifier: MIT */
/* HTTP requests: a parser that reads a buffer and does nothing else. */
#ifndef HTTPD_REQUEST_H
#define HTTPD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of a request's line and headers together. */
#define REQUEST_MAX 8192

enum method {
	METHOD_GET,
	METHOD_HEAD,
	METHOD_OTHER,		/* known, but nothing that a file server does */
};

/**
 * struct request - what a request asks for
 * @method:	what to do
 * @minor:	1 for HTTP/1.1, 0 for HTTP/1.0
 * @keep_alive:	the client wants to send another one
 * @has_body:	a body follows, which is not part of the parsed bytes
 * @hosts:	number of Host headers
 * @path:	decoded, without the leading slash; it has no empty, "." or ".."
 *		segments, so that it stays below the directory it is opened in
 */
struct request {
	enum method method;
	int minor;
	bool keep_alive;
	bool has_body;
	unsigned int hosts;
	char path[REQUEST_MAX];
};

/**
 * request_parse() - parse the first request in a buffer
 *
 * Returns its size; 0 if there must come more; or minus the status to answer
 * with, after which the rest of the connection makes no sense.
 */
int request_parse(struct request *r, const char *buf, size_t len);

#endif
