/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What a descriptor is, and what it refuses where io_uring would not: asked of the kernel
 * by system calls that change nothing, but that a job in the background of its terminal is
 * stopped, as it would be. errno stays as it is.
 */
#define _GNU_SOURCE
#include "io/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

int green_fd_type(int fd, struct statx *sx)
{
	int old = errno, err = 0;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE | STATX_INO, sx)) {
		err = -errno;
		errno = old;
	}
	return err;
}

bool green_fd_is_terminal(int fd)
{
	int old = errno;
	bool yes = isatty(fd);

	errno = old;
	return yes;
}

/*
 * Who reads a terminal from its background is stopped by SIGTTIN, or has -EIO; so is who
 * writes, if that is so set (stty tostop). io_uring first looks whether there is anything
 * to read, and writes in threads that no such signal stops. So the terminal is asked by
 * reading or writing nothing.
 */
static int ask_for_turn(int fd, bool writes)
{
	int old = errno, err = 0;
	pid_t front = tcgetpgrp(fd);
	char c = 0;

	while (front > 0 && front != getpgrp()) {
		err = (writes ? write(fd, &c, 0) : read(fd, &c, 0)) < 0 ? -errno : 0;
		if (err != -EINTR)
			break;
		front = tcgetpgrp(fd);
	}
	errno = old;
	return err;
}

/* Of these kinds io_uring knows what can be done with them. */
static bool is_ordinary(const struct statx *sx)
{
	if (S_ISREG(sx->stx_mode))
		return sx->stx_dev_major;
	return S_ISSOCK(sx->stx_mode) || S_ISFIFO(sx->stx_mode) || S_ISBLK(sx->stx_mode);
}

/*
 * What cannot be read at all, as an epoll instance or a pidfd, io_uring polls nevertheless,
 * and waits until that says something. The system call for no memory at all fails as that of
 * its name does. It must be the one with an offset: readv(2) writes back the position that
 * it began with, over what another's read has made of it. Only where there is no position
 * it does no harm, and there preadv(2) says -ESPIPE.
 */
int green_fd_may_read(int fd, const struct statx *sx, bool at_offset)
{
	int old = errno, err = 0;

	if (!is_ordinary(sx) || (at_offset && !S_ISREG(sx->stx_mode)))
		err = preadv(fd, NULL, 0, 0) ? -errno : 0;
	if (err == -ESPIPE && !at_offset)
		err = readv(fd, NULL, 0) ? -errno : 0;
	errno = old;
	if (!err && S_ISCHR(sx->stx_mode) && !at_offset)
		err = ask_for_turn(fd, false);
	return err;
}

int green_fd_may_write(int fd, const struct statx *sx)
{
	int old = errno, err = 0;

	if (!is_ordinary(sx))
		err = pwritev(fd, NULL, 0, 0) ? -errno : 0;
	if (err == -ESPIPE)
		err = writev(fd, NULL, 0) ? -errno : 0;
	errno = old;
	if (!err && S_ISCHR(sx->stx_mode))
		err = ask_for_turn(fd, true);
	return err;
}
