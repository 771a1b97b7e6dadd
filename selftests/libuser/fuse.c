// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * A file server (FUSE) that is a green thread, of the only worker or of one of several, and
 * another thread that uses its one file: no call may wait for the server in its OS thread.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <green.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workers.h"

#define MUST(c) do { if (!(c)) return __LINE__; } while (0)
#define LONG	(20000000000ull * test_pace())

#define REQUEST	(FUSE_MIN_READ_BUFFER + 4096)
#define ROOT	FUSE_ROOT_ID
#define FILE_ID	2
#define SIZE	1000

struct server {
	char dir[32];
	int fd;
	char data[SIZE];
	unsigned int reads, writes;
};

struct request {
	struct fuse_in_header head;
	char arg[];
};

static void attributes(struct fuse_attr *a, uint64_t id)
{
	*a = (struct fuse_attr){ .ino = id, .size = id == ROOT ? 0 : SIZE, .nlink = 1,
				 .mode = id == ROOT ? S_IFDIR | 0700 : S_IFREG | 0600 };
}

static bool answer(struct server *s, const struct request *r, int err, const void *arg, size_t len)
{
	char buf[sizeof(struct fuse_out_header) + SIZE];
	struct fuse_out_header head = {
		.len = (uint32_t)(sizeof(head) + len), .error = err, .unique = r->head.unique,
	};

	memcpy(buf, &head, sizeof(head));
	if (len)
		memcpy(buf + sizeof(head), arg, len);
	return green_write(s->fd, buf, head.len) == (ssize_t)head.len;
}

static bool reads(struct server *s, const struct request *r)
{
	const struct fuse_read_in *in = (const void *)r->arg;
	size_t from = in->offset < SIZE ? in->offset : SIZE;
	size_t len = in->size < SIZE - from ? in->size : SIZE - from;

	s->reads++;
	return answer(s, r, 0, s->data + from, len);
}

static bool writes(struct server *s, const struct request *r)
{
	const struct fuse_write_in *in = (const void *)r->arg;
	struct fuse_write_out out = { .size = in->size };

	if (in->offset + in->size > SIZE)
		return answer(s, r, -EFBIG, NULL, 0);
	s->writes++;
	memcpy(s->data + in->offset, in + 1, in->size);
	return answer(s, r, 0, &out, sizeof(out));
}

static bool serves_one(struct server *s, const struct request *r)
{
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = FUSE_KERNEL_MINOR_VERSION, .max_write = 4096,
	};
	struct fuse_entry_out entry = { .nodeid = FILE_ID };
	struct fuse_attr_out attr = { 0 };
	struct fuse_open_out opened = { .fh = 0 };
	struct fuse_poll_out polled = { .revents = POLLIN | POLLOUT };

	switch (r->head.opcode) {
	case FUSE_INIT:
		return answer(s, r, 0, &init, sizeof(init));
	case FUSE_LOOKUP:
		attributes(&entry.attr, FILE_ID);
		return answer(s, r, 0, &entry, sizeof(entry));
	case FUSE_GETATTR:
		attributes(&attr.attr, r->head.nodeid);
		return answer(s, r, 0, &attr, sizeof(attr));
	case FUSE_OPEN:
		return answer(s, r, 0, &opened, sizeof(opened));
	case FUSE_READ:
		return reads(s, r);
	case FUSE_WRITE:
		return writes(s, r);
	case FUSE_POLL:
		return answer(s, r, 0, &polled, sizeof(polled));
	case FUSE_FLUSH:
	case FUSE_RELEASE:
		return answer(s, r, 0, NULL, 0);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return true;
	default:
		return answer(s, r, -ENOSYS, NULL, 0);
	}
}

static void serves(void *arg)
{
	struct server *s = arg;
	struct request *r = malloc(REQUEST);

	GREEN_SCOPE;
	green_defer(free, r);
	while (green_read(s->fd, r, REQUEST) > 0 && serves_one(s, r))
		;
}

static int uses(const char *path)
{
	char buf[SIZE], c;
	int fd;

	green_deadline(green_now_ns() + LONG);
	fd = green_openat(AT_FDCWD, path, O_RDWR | O_NONBLOCK, 0);
	MUST(fd >= 0);
	MUST(green_pread(fd, buf, 10, 5) == 10 && !memcmp(buf, "5678901234", 10));
	MUST(green_read(fd, buf, SIZE) == SIZE && buf[SIZE - 1] == '9');
	MUST(green_read(fd, &c, 1) == 0);
	MUST(!green_close(fd));
	fd = green_openat(AT_FDCWD, path, O_WRONLY | O_NONBLOCK, 0);
	MUST(fd >= 0);
	MUST(green_write(fd, "hello", 5) == 5);
	MUST(!green_close(fd));
	fd = green_openat(AT_FDCWD, path, O_RDWR | O_NONBLOCK, 0);
	MUST(fd >= 0);
	MUST(green_write(fd, "H", 1) == 1);
	MUST(green_read(fd, buf, 9) == 9 && !memcmp(buf, "ello56789", 9));
	MUST(!green_close(fd));
	green_deadline(0);
	return 0;
}

static int serves_and_uses(void *arg)
{
	struct server *s = arg;
	green_t *t = green_go(serves, s);
	char path[64];
	int line;

	MUST(t);
	sprintf(path, "%s/file", s->dir);
	line = uses(path);
	MUST(!green_cancel(t));
	green_join(t);
	return line ? line : s->reads && s->writes == 2 ? 0 : __LINE__;
}

static bool mounts(struct server *s)
{
	char options[100];

	s->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	strcpy(s->dir, "/tmp/green-fuse-XXXXXX");
	if (s->fd < 0 || !mkdtemp(s->dir))
		return false;
	sprintf(options, "fd=%d,rootmode=40000,user_id=0,group_id=0", s->fd);
	return !unshare(CLONE_NEWNS) && !mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	       !mount("green", s->dir, "fuse", 0, options);
}

WITH_WORKERS(fuse);

TEST_F(fuse, a_file_server_among_those_who_use_it)
{
	struct server s = { .fd = -1 };

	for (int i = 0; i < SIZE; i++)
		s.data[i] = (char)('0' + i % 10);
	if (!mounts(&s)) {
		rmdir(s.dir);
		SKIP(return, "no FUSE, or no right to mount");
	}
	EXPECT_EQ(0, green_run(&self->opt, serves_and_uses, &s));
	close(s.fd);
	umount2(s.dir, MNT_DETACH);
	rmdir(s.dir);
}

TEST_HARNESS_MAIN
