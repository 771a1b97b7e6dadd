/* SPDX-License-Identifier: MIT */
/* What the files of the server share. */
#ifndef HTTPD_H
#define HTTPD_H

#include "request.h"

#include <stdint.h>
#include <sys/stat.h>

/* One worker runs all green threads, so that nothing here is locked. */
struct httpd {
	int root;		/* the directory that is served */
	uint64_t timeout_ns;	/* to send a request, or to take part of an answer */
	bool stopping;
	uint64_t live;		/* connections */

	uint64_t connections;
	uint64_t requests;	/* that were answered, whatever with */
	uint64_t bytes;
	uint64_t failures;	/* answers that failed here: not the client's fault */
	uint64_t aborted;	/* ... because the client went away */
	uint64_t moves;		/* of a stack that was handling a request */
	uint64_t foreign;	/* counted by foreign.c */
};

extern struct httpd httpd;

/**
 * struct conn - a connection
 *
 * The buffers are in the heap and not on the thread's stack: a stack with I/O
 * in flight into itself is not moved.
 */
struct conn {
	int fd;
	struct request req;
	struct stat st;		/* of the file that is being sent ... */
	const char *type;	/* ... and what is in it */
	size_t have;		/* bytes in @in */
	char in[REQUEST_MAX];
	char out[16384];
};

/* conn.c: a connection's thread; @arg is its struct conn, to be freed. */
void conn_run(void *arg);

/* file.c: an fd, with @c->st and @c->type; or minus the status to answer with. */
int file_open(struct conn *c, const char *path);

/* foreign.c: compiled by another compiler, which leaves no maps. */
void foreign_count(uint64_t *counter);

#endif
