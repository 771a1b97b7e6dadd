/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What green threads wait for each other by.
 *
 * As in green.h: every call returns -errno on failure, and outside of green threads
 * -EPERM (or NULL), but for those marked "also outside": "from outside" in green.h says
 * what these are, and which of them signal handlers may call. Every call that waits ends with -ETIMEDOUT at the thread's
 * green_deadline(), at once if that has passed; what need not wait is done even then.
 * Every wait is one where green_cancel() ends a thread: the call does not return then.
 */
#ifndef GREEN_SYNC_H
#define GREEN_SYNC_H

#include <green.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- mutexes and their like ---------------------------------------------- */

/*
 * Objects of the caller's: static, in the heap, or on the stack of a function that
 * outlives their use; that stack does not move then. All zeros is a good one, which
 * nobody holds. It may be used by all threads of green_run(), also in a later run, or in
 * a child of fork(): those that waited in it in another run, or in the parent, are
 * forgotten.
 *
 * Their fields are the runtime's. A _destroy() is for what is to be found out: it
 * returns 0, and all later calls for the object -EINVAL until it is zeroed again; or
 * -EBUSY, and nothing is changed, if somebody waits in it, or holds it. Who has made sure
 * that nobody does may as well free the memory.
 *
 * Those that wait are served in the order in which they came.
 */
struct green_sync_ {
	unsigned int lock[2];
	void *waiters[2];
	uintptr_t epoch;
};

/**
 * struct green_mutex - for one thread at a time
 *
 * Not recursive. It belongs to the thread that locked it; who unlocks it while others
 * wait hands it to the first of them, so none of them starves. A thread that waits in
 * another call of this library with a mutex held delays those that want it, and no more.
 * A thread that ends leaves its mutexes locked: let a deferred call unlock them.
 */
struct green_mutex {
	struct green_sync_ sync;
	uintptr_t owner;
};

/**
 * green_mutex_lock() - green only
 *
 * Returns 0; -EDEADLK if the caller holds it; -ENOTRECOVERABLE if the thread that held it
 * has ended and is joined or was detached, or was of another green_run(): zero it, when
 * all is well that it guards; -ETIMEDOUT; -EINVAL if it is destroyed.
 */
int green_mutex_lock(struct green_mutex *m);
/** green_mutex_trylock() - the same without waiting: -EBUSY if another holds it. */
int green_mutex_trylock(struct green_mutex *m);
/** green_mutex_unlock() - 0; -EPERM if the caller does not hold it; -EINVAL. */
int green_mutex_unlock(struct green_mutex *m);
/** green_mutex_destroy() - 0; -EBUSY; -EINVAL. */
int green_mutex_destroy(struct green_mutex *m);

/**
 * struct green_rwlock - for many readers, or one writer
 *
 * A reader that comes while anybody waits waits behind: neither readers nor writers starve.
 * So a thread that holds it must not lock it again, and a reader cannot become a
 * writer: it would wait for itself.
 */
struct green_rwlock {
	struct green_sync_ sync;
	uintptr_t owner;
	unsigned long readers;
};

/**
 * green_rwlock_rdlock(), green_rwlock_wrlock() - green only
 *
 * Return 0; -EDEADLK if the caller has locked it to write; -ENOTRECOVERABLE if a thread that
 * has is gone; -ETIMEDOUT; -EINVAL.
 */
int green_rwlock_rdlock(struct green_rwlock *l);
int green_rwlock_wrlock(struct green_rwlock *l);
/** The same without waiting: -EBUSY if they would have to. */
int green_rwlock_tryrdlock(struct green_rwlock *l);
int green_rwlock_trywrlock(struct green_rwlock *l);
/**
 * green_rwlock_unlock() - either way
 *
 * Returns 0; -EPERM if another has locked it to write, nobody has locked it, or the
 * caller holds no mutex and no rwlock at all; -EINVAL. Which of its readers a thread is
 * nobody knows.
 */
int green_rwlock_unlock(struct green_rwlock *l);
int green_rwlock_destroy(struct green_rwlock *l);

/** struct green_cond - a condition of what a mutex guards */
struct green_cond {
	struct green_sync_ sync;
};

/**
 * green_cond_wait() - unlock @m and wait for a signal, then lock it again; green only
 *
 * It ends for no other reason than a signal, the deadline or a cancellation; but when it
 * ends others may have changed what they signalled, so wait in a loop. Signalled threads
 * get the mutex in turn, and are not woken before.
 *
 * In any case the caller holds @m afterwards: also where the deadline has passed, for which
 * the call may take as long as others hold the mutex; and where it is cancelled, in its
 * deferred calls. A thread that was signalled before it was cancelled returns 0.
 *
 * Returns 0; -ETIMEDOUT; -EPERM if the caller does not hold @m; -EINVAL if others wait with
 * another mutex, or @c is destroyed.
 */
int green_cond_wait(struct green_cond *c, struct green_mutex *m);
/** green_cond_signal() - end the longest wait, if there is one. 0, or -EINVAL. */
int green_cond_signal(struct green_cond *c);
/** green_cond_broadcast() - end all of them. 0, or -EINVAL. */
int green_cond_broadcast(struct green_cond *c);
int green_cond_destroy(struct green_cond *c);

/**
 * struct green_sem - a count of what there is to be had
 *
 * What is posted by other OS threads, and by handlers, is on its way until a worker has looked
 * around; @count is without it. Until all that was posted has been waited for, or
 * green_sem_destroy() has returned 0, the semaphore stays where it is, and must not be
 * zeroed, unless green_run() has ended. What is on its way then is there in the next one.
 */
struct green_sem {
	struct green_sync_ sync;
	unsigned int count;
	uint64_t posts;
	struct green_sem *next_posted;
};

#define GREEN_SYNC_ZERO_ { { 0, 0 }, { NULL, NULL }, 0 }
#define GREEN_SEM_INIT(n) { GREEN_SYNC_ZERO_, (n), 0, NULL }

/** green_sem_wait() - take one, or wait for it; 0; -ETIMEDOUT; -EINVAL; green only. */
int green_sem_wait(struct green_sem *s);
/** green_sem_trywait() - 0; -EAGAIN if there is none; -EINVAL. */
int green_sem_trywait(struct green_sem *s);
/**
 * green_sem_post() - give one; also outside, and in signal handlers
 *
 * Returns 0; -EOVERFLOW if it has UINT_MAX, those on their way included; -EINVAL if it is
 * destroyed. Where others fill it meanwhile what is on its way may find no room: a line on
 * stderr says so.
 */
int green_sem_post(struct green_sem *s);
/** green_sem_destroy() - 0; -EBUSY, also while a post is on its way; -EINVAL. */
int green_sem_destroy(struct green_sem *s);

/** struct green_waitgroup - a count of what is still to be done */
struct green_waitgroup {
	struct green_sync_ sync;
	int count;
};

/**
 * green_waitgroup_add() - @n more, or less; at 0 all that wait go on; also outside
 *
 * To be called before what it counts is begun. Returns 0; -EINVAL if the count would
 * be negative, -EOVERFLOW if it would be too large: it is as it was then.
 */
int green_waitgroup_add(struct green_waitgroup *g, int n);
/** green_waitgroup_done() - one less; also outside. */
int green_waitgroup_done(struct green_waitgroup *g);
/** green_waitgroup_wait() - until nothing is left: 0; -ETIMEDOUT; -EINVAL; green only. */
int green_waitgroup_wait(struct green_waitgroup *g);
/** green_waitgroup_destroy() - -EBUSY if the count is not 0, too. */
int green_waitgroup_destroy(struct green_waitgroup *g);

/** struct green_barrier - lets threads go on when @count of them have come */
struct green_barrier {
	struct green_sync_ sync;
	unsigned int count;
	unsigned int here;
};

#define GREEN_BARRIER_INIT(n) { GREEN_SYNC_ZERO_, (n), 0 }

/**
 * green_barrier_wait() - green only
 *
 * Returns 1 in the thread that came last, 0 in the others; -ETIMEDOUT; -EINVAL if the
 * count is 0. A thread whose deadline comes, or that is cancelled, leaves, as if it had
 * not come.
 */
int green_barrier_wait(struct green_barrier *b);
int green_barrier_destroy(struct green_barrier *b);

/** struct green_event - something that happens, and has happened from then on */
struct green_event {
	struct green_sync_ sync;
	unsigned int is_set;
};

/** green_event_set() - all that wait go on, as do those that come; also outside; 0, or -EINVAL. */
int green_event_set(struct green_event *e);
/** green_event_clear() - those that come wait again; also outside; 0, or -EINVAL. */
int green_event_clear(struct green_event *e);
/** green_event_wait() - 0; -ETIMEDOUT; -EINVAL; green only. */
int green_event_wait(struct green_event *e);
int green_event_destroy(struct green_event *e);

/** struct green_once - something that is to be done once */
struct green_once {
	struct green_sync_ sync;
	uintptr_t owner;
	unsigned int done;
};

/* For green_once() alone. */
int green_once_begin(struct green_once *o);
int green_once_done(struct green_once *o);
int green_once_leave(struct green_once *o);

static inline int green_once_run_(struct green_once *o, void (*fn)(void *), void *arg)
{
	struct green_defer leave;
	GREEN_SCOPE;

	green_defer_push(&GREEN_THIS_SCOPE_, &leave, (green_fn)green_once_leave,
			 1UL | 1UL << 8, o, NULL);
	fn(arg);
	return green_once_done(o);
}

/**
 * green_once() - call fn(arg), unless that was done for @o; green only
 *
 * Of several threads one calls it, and the others wait until it has returned. If it does
 * not, because of green_exit(), a cancellation or a panic, the next one calls it.
 *
 * Returns 0: it has been called. -EDEADLK: by @fn itself. -ETIMEDOUT.
 */
static inline int green_once(struct green_once *o, void (*fn)(void *), void *arg)
{
	int ret;

	if (__atomic_load_n(&o->done, __ATOMIC_ACQUIRE))
		return 0;
	ret = green_once_begin(o);
	return ret > 0 ? green_once_run_(o, fn, arg) : ret;
}

/* ---- groups -------------------------------------------------------------- */

/**
 * struct green_group - threads that end before the scope that began them
 *
 * A local of the function that has the scope, begun by green_group_begin(). Its threads
 * are started by green_group_go(), and return a long each: if that is negative, it has
 * failed, and the first that fails makes the group fail and cancels the others. When the
 * scope is left, in whatever way, those that still run are cancelled, and waited for: so
 * they may use what is on the stack of its function.
 *
 *	GREEN_SCOPE;
 *	struct green_group g;
 *	long size[2];
 *
 *	green_group_begin(&g);
 *	green_group_go(&g, fetch, a, &size[0]);
 *	green_group_go(&g, fetch, b, &size[1]);
 *	err = green_group_wait(&g);
 */
struct green_group {
	struct green_sync_ sync;
	uintptr_t owner;
	unsigned long users;
	void *children[2];
	long error;
	uint64_t deadline;
	unsigned int state;
	struct green_defer end;
};

/* For green_group_begin() and green_group_wait() alone. */
int green_group_open(struct green_group *g);
long green_group_await(struct green_group *g);

/**
 * green_group_begin(g) - a group that the caller owns, of the GREEN_SCOPE that it stands
 * in; green only
 *
 * @g is written to, whatever it holds. Returns 0; -EBUSY if it has been begun in this
 * scope and has not ended; -EPERM.
 */
#define green_group_begin(g) green_group_begin_(&GREEN_THIS_SCOPE_, (g))

/**
 * green_group_go() - start a thread in the group: fn(arg); green only
 * @result:	where to write what it returns, before the group's wait does; -ECANCELED if
 *		it was cancelled; 0 if it ended by green_exit(). NULL: nowhere.
 *
 * Any thread may call it that knows the group to be there, the group's own among them. The
 * thread has the group's deadline, if there is one.
 *
 * Returns 0; the group's error, and nothing is started, if that has failed; -ENOMEM;
 * -EINVAL if it has ended. What it cannot start does not make the group fail.
 */
long green_group_go(struct green_group *g, long (*fn)(void *), void *arg, long *result);

/**
 * green_group_deadline() - when the group fails with -ETIMEDOUT; green only
 * @at_ns:	CLOCK_MONOTONIC nanoseconds; 0: never
 *
 * It is the deadline of each thread of the group, whose waits end then with -ETIMEDOUT; and
 * in green_group_wait() those that go on are cancelled. To be set before they are started.
 *
 * Returns 0; -EBUSY if threads run in it; -EINVAL if it has ended.
 */
int green_group_deadline(struct green_group *g, uint64_t at_ns);

/**
 * green_group_cancel() - cancel all threads of the group; green only
 *
 * The group fails with -ECANCELED, unless it has failed. Any thread may call it that
 * knows the group to be there. Returns 0; -EINVAL if it has ended.
 */
int green_group_cancel(struct green_group *g);

/**
 * green_group_wait() - until no thread of the group is left; its owner only
 *
 * Returns 0; the error of the first that failed, when all have ended; -ETIMEDOUT at the
 * caller's own deadline, and they go on; -EDEADLK for a thread of the group, -EPERM for
 * another that did not begin it; -EINVAL if it has ended. After 0 more may be started.
 */
static inline long green_group_wait(struct green_group *g)
{
	long ret;

	do
		ret = green_group_await(g);
	while (ret > 0);
	return ret;
}

/**
 * green_group_end() - cancel what is left, and wait for it; its owner only
 *
 * What leaving the scope does; earlier, if it is called. Neither the caller's deadline nor
 * its cancellation ends the wait. Returns 0, also if it has ended; -EPERM; -EDEADLK.
 */
int green_group_end(struct green_group *g);

static inline __attribute__((always_inline)) int
green_group_begin_(struct green_scope *s, struct green_group *g)
{
	int ret = green_group_open(g);

	if (ret <= 0)
		return ret;
	return green_defer_push(s, &g->end, (green_fn)green_group_end, 1UL | 1UL << 8, g, NULL);
}

/* ---- channels ----------------------------------------------------------- */

/*
 * A channel's handle: a number in the guise of a pointer, which any green thread may use,
 * and other OS threads where it says so.
 * That of a channel that was freed is no other's, until its place has been used a
 * million times again: calls that are given it return -EINVAL. What is no handle at all
 * may be a fault.
 *
 * Values are bytes, copied as by memcpy(3): once, from the sender's memory to the
 * receiver's, if one of the two waits for the other. A value is received by one receiver,
 * or by none if it is left in a channel that is freed: none is lost or doubled by a
 * deadline, a cancellation or a close.
 *
 *	green_chan_send() returned 0:	the value is the channel's, or the receiver's
 *	it returned anything else:	it is still the caller's
 *	it did not return, for the thread was cancelled: still the caller's, whose
 *					deferred calls see to it
 *
 *	green_chan_recv() returned 0:	the value is the caller's
 *	anything else, or cancelled:	nothing was received, @value was not written to
 *
 * So a thread that is cancelled just after its value was taken, or has come, returns from
 * its call with 0, and ends where it waits next.
 *
 * Those that wait are served in the order in which they came. Memory from which a value
 * is sent, or where it is received, may be on the stack, which moves even while the
 * thread waits: the runtime adjusts what it has of it.
 */
typedef struct green_chan_handle green_chan_t;

/**
 * green_chan_new() - make a channel; green only
 * @size:	bytes of a value; 0: there is nothing to a value but that it comes
 * @capacity:	values that it holds; 0: none, a value goes from a sender to a receiver
 *		that are both there
 *
 * It is to be freed by green_chan_free(); what is left when green_run() returns, that
 * frees. Returns NULL when there is no memory for it, as for more than PTRDIFF_MAX bytes.
 */
green_chan_t *green_chan_new(size_t size, size_t capacity);

/**
 * green_chan_free() - free a channel, and the values that are left in it; green only
 *
 * Returns 0; -EBUSY if a thread waits in it, for which it goes on; -EINVAL if it is gone.
 */
int green_chan_free(green_chan_t *ch);

/**
 * green_chan_close() - let nobody send any more; also outside
 *
 * Threads that wait in it return with -EPIPE. Values that are in it can be received yet.
 *
 * Returns 0; -EPIPE if it is closed already; -EINVAL if it is gone.
 */
int green_chan_close(green_chan_t *ch);

/**
 * green_chan_send() - send a value, waiting for a receiver or for room; also outside
 * @value:	may be NULL if values have no bytes
 *
 * Returns 0; -EPIPE if it is closed, or is while the caller waits; -ETIMEDOUT; -EINVAL if
 * it is gone, or there is no @value; -ENOMEM if there is none for the deadline's timer;
 * -ESHUTDOWN outside, if green_run() ends first.
 */
int green_chan_send(green_chan_t *ch, const void *value GREEN_NOESCAPE);

/**
 * green_chan_recv() - receive a value, waiting for it; also outside
 * @value:	where it is to be; NULL: nowhere
 *
 * Returns 0; -EPIPE if it is closed and no value is left, or is while the caller waits;
 * -ETIMEDOUT; -EINVAL if it is gone; -ENOMEM and -ESHUTDOWN as above.
 */
int green_chan_recv(green_chan_t *ch, void *value GREEN_NOESCAPE);

/**
 * green_chan_try_send(), green_chan_try_recv() - the same without a wait; green only
 *
 * Returns -EAGAIN where the other would wait. They let nobody else run: who tries again and
 * again calls green_yield() in between.
 */
int green_chan_try_send(green_chan_t *ch, const void *value GREEN_NOESCAPE);
int green_chan_try_recv(green_chan_t *ch, void *value GREEN_NOESCAPE);

/**
 * struct green_case - what green_select() may do: a send, or a receipt
 * @ch:		the channel; NULL: this case is never ready
 * @value:	as of green_chan_send() or green_chan_recv(); must stay as @cases until
 *		the call returns
 * @sends:	not 0: it sends
 * @result:	written if this case was chosen: 0, or -EPIPE
 */
struct green_case {
	green_chan_t *ch;
	void *value;
	unsigned int sends;
	int result;
};

#define GREEN_SEND(ch, value)	{ (ch), (void *)(value), 1, 0 }
#define GREEN_RECV(ch, value)	{ (ch), (value), 0, 0 }

#define GREEN_MAX_CASES 64

/**
 * green_select() - do one of several, waiting until one can be done; green only
 * @cases:	written to: @result of the one that was done
 * @nr:		at most GREEN_MAX_CASES; 0, or none with a channel: there is nothing to come
 *		but the deadline or a cancellation
 *
 * If several are ready one is chosen by chance, each as likely as the others. A channel
 * that is closed is ready, with -EPIPE. Channels may occur more than once: as what is sent
 * to and received from, too, but a thread never receives what the same call sends.
 *
 * Returns the index of the case that was done; -ETIMEDOUT; -EINVAL if a channel is gone,
 * a value is missing, or @nr is too large; -ENOMEM if it had to wait and could not.
 */
int green_select(struct green_case *cases GREEN_NOESCAPE, unsigned int nr);

/** green_try_select() - the same with a default: -EAGAIN if none is ready; green only */
int green_try_select(struct green_case *cases GREEN_NOESCAPE, unsigned int nr);

#ifdef __cplusplus
}
#endif
#endif /* GREEN_SYNC_H */
