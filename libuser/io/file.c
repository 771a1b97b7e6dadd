/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Which calls use a descriptor, so that a close can end them; and whose turn it is
 * at the position of a file.
 *
 * read(2) and write(2) hold a lock on the position of a regular file, and so each
 * byte is read once, whoever reads. io_uring does not: operations that overlap begin
 * at the same place. So of the calls that use a position one is in flight at a time.
 * A position belongs to an open file, which several descriptors may share: whether
 * two do, if they are of one inode, kcmp(2) says.
 */
#define _GNU_SOURCE
#include "base/link.h"
#include "base/lock.h"
#include "base/runtime.h"
#include "base/thread.h"
#include "io/call.h"
#include "io/file.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FEW_FDS		64
#define MANY_FDS	(1U << 16)
#define TURNS		64

/* Open files of one inode that are compared with; with more, one waits needlessly. */
#define MAX_COMPARES	8

struct green_files {
	struct green_spin lock;		/* RANK_OBJECT; guards all of it */
	struct green **fds;		/* calls by the low bits of their descriptor */
	unsigned int nr_fds;
	struct green_link turns[TURNS];	/* calls in flight by inode */
};

void green_files_lock(void)
{
	green_spin_lock(&green_rt.files->lock, RANK_OBJECT);
}

void green_files_unlock(void)
{
	green_spin_unlock(&green_rt.files->lock, RANK_OBJECT);
}

/* ---- lists --------------------------------------------------------------- */

static struct green *of_turn(struct green_link *l)
{
	return (struct green *)((char *)l - offsetof(struct green, io.turn));
}

/* ---- descriptors --------------------------------------------------------- */

static struct green **chain(int fd)
{
	return &green_rt.files->fds[(unsigned int)fd & (green_rt.files->nr_fds - 1)];
}

static void link_fd(struct green *t)
{
	struct green **head = chain(t->io.fd);

	t->io.fd_next = *head;
	t->io.fd_link = head;
	if (*head)
		(*head)->io.fd_link = &t->io.fd_next;
	*head = t;
}

/* Without memory the chains just become longer. */
static void more_chains(struct green_files *f)
{
	unsigned int i, old = f->nr_fds;
	struct green **fds = f->fds, *t, *next;

	f->fds = calloc(2 * old, sizeof(*fds));
	if (!f->fds) {
		f->fds = fds;
		return;
	}
	f->nr_fds = 2 * old;
	for (i = 0; i < old; i++) {
		for (t = fds[i]; t; t = next) {
			next = t->io.fd_next;
			link_fd(t);
		}
	}
	free(fds);
}

struct green *green_file_first(int fd)
{
	struct green *t = *chain(fd);

	while (t && t->io.fd != fd)
		t = t->io.fd_next;
	return t;
}

void green_file_enter(struct green *t)
{
	struct green_files *f = green_rt.files;

	while (t->io.fd >= (int)f->nr_fds && f->nr_fds < MANY_FDS) {
		unsigned int nr = f->nr_fds;

		more_chains(f);
		if (f->nr_fds == nr)
			break;
	}
	link_fd(t);
}

/* Once the kernel does it, it is the kernel's to say what the descriptor is. */
static bool is_about_to_close(const struct green *t)
{
	return t && t->io.op == OP_CLOSE && !t->io.in_flight;
}

bool green_file_closes(int fd)
{
	return is_about_to_close(green_file_first(fd));
}

bool green_file_shared(const struct green *t)
{
	const struct green *u = t->io.fd_next;

	while (u && u->io.fd != t->io.fd)
		u = u->io.fd_next;
	return u;
}

struct green *green_file_leave(struct green *t)
{
	struct green *closer;

	*t->io.fd_link = t->io.fd_next;
	if (t->io.fd_next)
		t->io.fd_next->io.fd_link = t->io.fd_link;
	closer = green_file_first(t->io.fd);
	return is_about_to_close(closer) && !green_file_shared(closer) ? closer : NULL;
}

/* ---- positions ----------------------------------------------------------- */

/* Unknown, as where kcmp(2) is forbidden, means yes: that is slow, but not wrong. */
static bool same_file(int a, int b)
{
	pid_t pid = getpid();
	int old = errno;
	bool same = a == b || syscall(SYS_kcmp, pid, pid, KCMP_FILE, a, b) <= 0;

	errno = old;
	return same;
}

/* The call that @t has to wait for. */
static struct green *in_the_way(struct green_link *turns, const struct green *t)
{
	unsigned int compares = 0;
	struct green_link *l;

	for (l = turns->next; l != turns; l = l->next) {
		struct green *u = of_turn(l);

		if (u->io.ino != t->io.ino || u->io.dev != t->io.dev)
			continue;
		if (++compares > MAX_COMPARES || same_file(u->io.fd, t->io.fd))
			return u;
	}
	return NULL;
}

bool green_turn_take(struct green *t)
{
	struct green_link *turns = &green_rt.files->turns[(t->io.ino ^ t->io.dev) % TURNS];
	struct green *other = in_the_way(turns, t);

	green_link_init(&t->io.waiting);
	green_link_before(other ? &other->io.waiting : turns, &t->io.turn);
	t->io.waits = other;
	return !other;
}

/* All of @from wait for @t now. */
static void wait_for(struct green *t, struct green_link *from)
{
	struct green_link *to = &t->io.waiting;

	if (green_link_is_alone(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	green_link_init(from);
}

/* The next one begins, or waits for another file's; the rest wait for it. */
struct green *green_turn_leave(struct green *t)
{
	struct green *next;
	bool begins;

	green_link_del(&t->io.turn);
	if (t->io.waits || green_link_is_alone(&t->io.waiting))
		return NULL;
	next = of_turn(t->io.waiting.next);
	green_link_del(&next->io.turn);
	begins = green_turn_take(next);
	wait_for(next, &t->io.waiting);
	return begins ? next : NULL;
}

/* ---- lives --------------------------------------------------------------- */

int green_files_init(void)
{
	struct green_files *f = calloc(1, sizeof(*f));
	unsigned int i;

	if (!f)
		return -ENOMEM;
	f->nr_fds = FEW_FDS;
	f->fds = calloc(f->nr_fds, sizeof(*f->fds));
	if (!f->fds) {
		free(f);
		return -ENOMEM;
	}
	for (i = 0; i < TURNS; i++)
		green_link_init(&f->turns[i]);
	green_rt.files = f;
	return 0;
}

/* The calls that there were are the parent's. */
void green_files_forked(void)
{
	struct green_files *f = green_rt.files;
	unsigned int i;

	memset(f->fds, 0, f->nr_fds * sizeof(*f->fds));
	for (i = 0; i < TURNS; i++)
		green_link_init(&f->turns[i]);
}

void green_files_exit(void)
{
	if (!green_rt.files)
		return;
	free(green_rt.files->fds);
	free(green_rt.files);
	green_rt.files = NULL;
}
