/* SPDX-License-Identifier: MIT */
/*
 * The files. Symbolic links are followed: whoever may write into the directory
 * decides what is served.
 */
#define _GNU_SOURCE
#include "httpd.h"

#include <errno.h>
#include <fcntl.h>
#include <green.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static int status_of(int err)
{
	switch (err) {
	case -ENOENT:
	case -ENOTDIR:
	case -ENAMETOOLONG:
	case -ELOOP:
	case -ENXIO:		/* a socket */
		return -404;
	case -EACCES:
	case -EPERM:
		return -403;
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return -503;
	default:
		return -500;
	}
}

/* O_NONBLOCK: a FIFO does not wait for its writer. */
static int open_any(int dir, const char *path, struct stat *st)
{
	int fd = green_openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);

	if (fd < 0)
		return status_of(fd);
	if (fstat(fd, st)) {
		green_close(fd);
		return -500;
	}
	return fd;
}

static const char *type_of(const char *path)
{
	static const struct {
		char suffix[8];
		const char *type;
	} types[] = {
		{ "html", "text/html; charset=utf-8" },
		{ "css", "text/css; charset=utf-8" },
		{ "js", "text/javascript; charset=utf-8" },
		{ "txt", "text/plain; charset=utf-8" },
		{ "json", "application/json" },
		{ "svg", "image/svg+xml" },
		{ "png", "image/png" },
		{ "jpg", "image/jpeg" },
		{ "pdf", "application/pdf" },
	};
	const char *name = strrchr(path, '/');
	const char *dot = strrchr(name ? name : path, '.');
	size_t i;

	for (i = 0; dot && i < sizeof(types) / sizeof(*types); i++)
		if (!strcasecmp(dot + 1, types[i].suffix))
			return types[i].type;
	return "application/octet-stream";
}

/* A directory stands for its index.html. */
int file_open(struct conn *c, const char *path)
{
	int fd = open_any(httpd.root, *path ? path : ".", &c->st);

	c->type = type_of(path);
	if (fd >= 0 && S_ISDIR(c->st.st_mode)) {
		int dir = fd;

		fd = open_any(dir, "index.html", &c->st);
		c->type = type_of("index.html");
		green_close(dir);
	}
	if (fd >= 0 && !S_ISREG(c->st.st_mode)) {
		green_close(fd);
		return -404;
	}
	return fd;
}
