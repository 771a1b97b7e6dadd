/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A file that is in memory is read at once: preadv2(2) with RWF_NOWAIT does what read(2)
 * does, position and its lock included, or says that it would wait. That takes a switch
 * less than the ring, and nobody has to know whose turn it is at the position: with one
 * worker nobody else's call begins in between. With several the lock of turns is held.
 *
 * Which descriptors to try that with is remembered, and may be wrong at any time, since
 * programs close and open files without telling us. So what is tried does no harm,
 * whatever the descriptor is: a read of all that was asked for, or of nothing, is what
 * read(2) would have done. What never waits only by luck (terminals, most devices, file
 * servers) says -EOPNOTSUPP.
 */
#define _GNU_SOURCE
#include "base/runtime.h"
#include "base/worker.h"
#include "io/call.h"
#include "io/file.h"
#include "io/now.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

#define REMEMBERED	1024U

/* One may read as much as it likes without a switch; then others shall have their turn. */
#define IN_A_ROW	16

/* Other workers wait for so much. */
#define LITTLE		(16UL << 10)

/* Beyond the end of any file, and no overflow. */
#define FAR		(1L << 62)

GREEN_PER_RUN static struct {
	uint64_t file[REMEMBERED / 64];	/* a bit each */
} now;

/* Of this worker. */
static __thread struct {
	uint64_t switches;		/* when one read last */
	unsigned int left;
} row __attribute__((tls_model("initial-exec")));

static uint64_t *word(int fd)
{
	return &now.file[(unsigned int)fd % REMEMBERED / 64];
}

static uint64_t bit(int fd)
{
	return 1UL << ((unsigned int)fd % 64);
}

void green_now_remember(int fd, bool file)
{
	if (green_shared)
		return;
	if (file)
		*word(fd) |= bit(fd);
	else
		*word(fd) &= ~bit(fd);
}

static bool is_too_often(void)
{
	uint64_t switches = green_worker->stats.switches;

	if (row.switches != switches) {
		row.switches = switches;
		row.left = IN_A_ROW;
	}
	return !row.left || !row.left--;
}

bool green_now_may_try(int fd)
{
	return !green_shared && fd >= 0 && (*word(fd) & bit(fd)) && green_turns_none() &&
	       !green_file_closes(fd) && !is_too_often();
}

bool green_now_may_try_shared(const struct green_io *io)
{
	return green_shared && io->len[0] <= LITTLE && !is_too_often();
}

static ssize_t try(int fd, void *buf, size_t len, off_t off)
{
	struct iovec iov = { buf, len };
	int old = errno;
	ssize_t n = preadv2(fd, &iov, 1, off, RWF_NOWAIT);

	if (n < 0) {
		n = -errno;
		errno = old;
	}
	return n;
}

/* Then a disk is waited for, whatever was asked for; and pipes have packets. */
static bool is_direct(int fd)
{
	int old = errno, flags = fcntl(fd, F_GETFL);

	errno = old;
	return flags < 0 || flags & O_DIRECT;
}

/* What is wrong the call itself says, as it always did. */
bool green_now_read(struct green_io *io, bool file)
{
	const size_t len = io->len[0];
	ssize_t n;

	if (is_direct(io->fd))
		return false;
	do {
		n = try(io->fd, (char *)io->mem[0] + io->done, len - io->done,
			io->off < 0 ? -1 : io->off + (off_t)io->done);
		if (n < 0)
			return false;
		io->done += (size_t)n;
	} while (file && n && io->done < len);
	return !n || io->done == len;
}

/* One that is open for writing only cannot be asked. */
bool green_now_never(int fd)
{
	char c;
	ssize_t n = try(fd, &c, 1, FAR);

	return n == -EOPNOTSUPP || n == -EBADF;
}
