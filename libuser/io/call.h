/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* An I/O call, as it is described while it lasts. */
#ifndef GREEN_IO_CALL_H
#define GREEN_IO_CALL_H

#include "base/link.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct green;

#define GREEN_IO_MEM 2

enum green_op {
	OP_READ,
	OP_WRITE,
	OP_RECV,
	OP_SEND,
	OP_ACCEPT,
	OP_CONNECT,
	OP_SHUTDOWN,
	OP_OPENAT,
	OP_CLOSE,
	OP_POLL,
};

/*
 * An I/O call that has not returned. What it was asked for is kept: it may have to
 * wait before it begins (file.c), or to begin again (uring.c). It stays with its thread for
 * the next one (base/parts.h).
 */
struct green_io {
	bool busy;			/* mem[] may still be used */
	bool in_flight;			/* the kernel has it: a CQE is to come */
	bool cancelled;			/* it is to end: the deadline came, a green_cancel(), */
	bool closed;			/* ... or a green_close() of its descriptor */
	bool anyway;			/* it is to be done even so: a close */
	bool whole;			/* it waits until all is written; or read, or the end is there */
	bool positioned;		/* at the file's own position: one at a time */
	bool apart;			/* in a thread of the kernel's: it may block whoever tries */
	unsigned char op;		/* enum green_op */
	unsigned char cancels;		/* how often the kernel was asked to cancel it */
	int res;			/* what the kernel said last */
	int fd, dir;
	unsigned int flags;		/* of the call; poll's events, shutdown's how */
	mode_t mode;
	off_t off;
	size_t done;			/* bytes of mem[0] that were written, or read */
	const void *mem[GREEN_IO_MEM];
	size_t len[GREEN_IO_MEM];
	struct green *t;		/* whose it is */
	/* For file.c. */
	struct green *fd_next, **fd_link; /* other calls with this descriptor */
	uint64_t dev, ino;		/* the file, if positioned */
	bool waits;			/* for another's end */
	struct green_link turn;		/* with the others that wait for that, or do not */
	struct green_link waiting;	/* those that wait for this one's end */
};

int green_io_init(void);
void green_io_exit(void);
/* End all that is in flight, and wait for that. */
void green_io_drain(void);
/* In a child: not the parent's calls and ring any more. */
void green_io_forked(void);

#endif
