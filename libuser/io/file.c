/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Which calls use a descriptor, so that a close can end them; and whose turn it is
 * at the position of a file.
 *
 * Each descriptor has a lock of its own, in a table that grows and is never moved, so
 * that workers whose threads use different descriptors do not meet.
 *
 * read(2) and write(2) hold a lock on the position of a regular file, and so each
 * byte is read once, whoever reads. io_uring does not: operations that overlap begin
 * at the same place. So of the calls that use a position one is in flight at a time.
 * A position belongs to an open file, which several descriptors may share: whether
 * two do, if they are of one inode, kcmp(2) says. So turns are shared out by inode.
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

#define CACHE_LINE	64

/* Descriptors beyond the last page share the entries of others: calls know their own. */
#define FDS_A_PAGE	64U
#define PAGES		1024U
#define FILES		64U

/* Open files of one inode that are compared with; with more, one waits needlessly. */
#define MAX_COMPARES	8

/* A descriptor, and those that are equal to it by their low bits. */
struct entry {
	_Alignas(CACHE_LINE) struct green_spin lock;	/* RANK_OBJECT */
	struct green *calls;		/* that use it, newest first */
};

struct page {
	struct entry entry[FDS_A_PAGE];
};

/* Some inodes. */
struct green_turns {
	_Alignas(CACHE_LINE) struct green_spin lock;	/* RANK_TURNS */
	struct green_link calls;	/* those whose turn it is, and those who wait for others' */
};

struct green_files {
	struct page *page[PAGES];	/* NULL until it is needed, then it stays */
	struct page first;
	struct green_turns turns[FILES];
	unsigned int nr_turns;		/* calls in them; counted while there is one worker */
};

/* ---- descriptors --------------------------------------------------------- */

/* Where there is no memory the first page serves, and goes on to. */
static struct page *add_page(struct page **place)
{
	struct page *page = aligned_alloc(CACHE_LINE, sizeof(*page)), *other = NULL;

	if (page)
		memset(page, 0, sizeof(*page));
	if (__atomic_compare_exchange_n(place, &other, page ?: &green_rt.files->first, false,
					__ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return page ?: &green_rt.files->first;
	free(page);
	return other;
}

static struct entry *entry(int fd)
{
	struct page **place = &green_rt.files->page[(unsigned int)fd / FDS_A_PAGE % PAGES];
	struct page *page = __atomic_load_n(place, __ATOMIC_ACQUIRE);

	return &(page ?: add_page(place))->entry[(unsigned int)fd % FDS_A_PAGE];
}

void green_file_lock(int fd)
{
	green_spin_lock(&entry(fd)->lock, RANK_OBJECT);
}

void green_file_unlock(int fd)
{
	green_spin_unlock(&entry(fd)->lock, RANK_OBJECT);
}

struct green *green_file_first(int fd)
{
	struct green *t = entry(fd)->calls;

	while (t && t->io->fd != fd)
		t = t->io->fd_next;
	return t;
}

void green_file_enter(struct green *t)
{
	struct green **head = &entry(t->io->fd)->calls;

	t->io->fd_next = *head;
	t->io->fd_link = head;
	if (*head)
		(*head)->io->fd_link = &t->io->fd_next;
	*head = t;
}

/* Once the kernel does it, it is the kernel's to say what the descriptor is. */
static bool is_about_to_close(const struct green *t)
{
	return t && t->io->op == OP_CLOSE && !t->io->in_flight;
}

bool green_file_closes(int fd)
{
	return is_about_to_close(green_file_first(fd));
}

bool green_file_shared(const struct green *t)
{
	const struct green *u = t->io->fd_next;

	while (u && u->io->fd != t->io->fd)
		u = u->io->fd_next;
	return u;
}

struct green *green_file_leave(struct green *t)
{
	struct green *closer;

	*t->io->fd_link = t->io->fd_next;
	if (t->io->fd_next)
		t->io->fd_next->io->fd_link = t->io->fd_link;
	closer = green_file_first(t->io->fd);
	return is_about_to_close(closer) && !green_file_shared(closer) ? closer : NULL;
}

/* ---- positions ----------------------------------------------------------- */

static struct green *of_turn(struct green_link *l)
{
	return ((struct green_io *)((char *)l - offsetof(struct green_io, turn)))->t;
}

struct green_turns *green_turns_lock(const struct green_io *io)
{
	struct green_turns *turns = &green_rt.files->turns[(io->ino ^ io->dev) % FILES];

	green_spin_lock(&turns->lock, RANK_TURNS);
	return turns;
}

void green_turns_unlock(struct green_turns *turns)
{
	green_spin_unlock(&turns->lock, RANK_TURNS);
}

/* Unknown, as where kcmp(2) is forbidden, means yes: that is slow, but not wrong. */
static bool same_file(int a, int b)
{
	pid_t pid = getpid();
	int old = errno;
	bool same = a == b || syscall(SYS_kcmp, pid, pid, KCMP_FILE, a, b) <= 0;

	errno = old;
	return same;
}

/* The call that @io has to wait for. */
static struct green *in_the_way(struct green_turns *turns, const struct green_io *io)
{
	unsigned int compares = 0;
	struct green_link *l;

	for (l = turns->calls.next; l != &turns->calls; l = l->next) {
		struct green *u = of_turn(l);

		if (u->io->ino != io->ino || u->io->dev != io->dev)
			continue;
		if (++compares > MAX_COMPARES || same_file(u->io->fd, io->fd))
			return u;
	}
	return NULL;
}

bool green_turns_none(void)
{
	return !green_shared && !green_rt.files->nr_turns;
}

static void count_turn(int n)
{
	if (!green_shared)
		green_rt.files->nr_turns += (unsigned int)n;
}

static void unlink_turn(struct green *t)
{
	green_link_del(&t->io->turn);
	count_turn(-1);
}

bool green_turn_is_free(struct green_turns *turns, const struct green_io *io)
{
	return !in_the_way(turns, io);
}

bool green_turn_take(struct green_turns *turns, struct green *t)
{
	struct green *other = in_the_way(turns, t->io);

	green_link_init(&t->io->waiting);
	green_link_before(other ? &other->io->waiting : &turns->calls, &t->io->turn);
	count_turn(1);
	t->io->waits = other;
	return !other;
}

/* All of @from wait for @t now. */
static void wait_for(struct green *t, struct green_link *from)
{
	struct green_link *to = &t->io->waiting;

	if (green_link_is_alone(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	green_link_init(from);
}

/* The next one begins, or waits for another file's; the rest wait for it. */
struct green *green_turn_leave(struct green_turns *turns, struct green *t)
{
	struct green *next;
	bool begins;

	unlink_turn(t);
	if (t->io->waits || green_link_is_alone(&t->io->waiting))
		return NULL;
	next = of_turn(t->io->waiting.next);
	unlink_turn(next);
	begins = green_turn_take(turns, next);
	wait_for(next, &t->io->waiting);
	return begins ? next : NULL;
}

/* ---- lives --------------------------------------------------------------- */

int green_files_init(void)
{
	struct green_files *f = aligned_alloc(CACHE_LINE, sizeof(*f));

	if (!f)
		return -ENOMEM;
	memset(f, 0, sizeof(*f));
	f->page[0] = &f->first;
	for (unsigned int i = 0; i < FILES; i++)
		green_link_init(&f->turns[i].calls);
	green_rt.files = f;
	return 0;
}

/* The calls that there were are the parent's. */
void green_files_forked(void)
{
	struct green_files *f = green_rt.files;

	for (unsigned int i = 0; i < PAGES; i++)
		if (f->page[i])
			memset(f->page[i], 0, sizeof(*f->page[i]));
	for (unsigned int i = 0; i < FILES; i++)
		green_link_init(&f->turns[i].calls);
	f->nr_turns = 0;
}

void green_files_exit(void)
{
	struct green_files *f = green_rt.files;

	if (!f)
		return;
	for (unsigned int i = 0; i < PAGES; i++)
		if (f->page[i] != &f->first)
			free(f->page[i]);
	free(f);
	green_rt.files = NULL;
}
