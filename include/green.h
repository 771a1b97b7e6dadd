/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * green: goroutine-class threads for C.
 *
 * Every call returns -errno on failure and leaves errno alone: errno belongs to
 * the OS thread, green threads do not. Calls marked "green only" return -EPERM
 * (or NULL) when the caller is not a green thread. Those marked "also outside" may be
 * made by any OS thread while green_run() runs; see there.
 *
 * A pointer parameter marked GREEN_NOESCAPE is not kept beyond the call, or is
 * kept only where the runtime adjusts it when the stack moves; so a local's
 * address may be passed there without making its frame immovable.
 */
#ifndef GREEN_H
#define GREEN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#ifdef __cplusplus
#if __cplusplus >= 201703L
#include <type_traits>
#endif
extern "C" {
#endif

#if defined(__clang__)
#define GREEN_NOESCAPE __attribute__((noescape))
#else
#define GREEN_NOESCAPE
#endif

/* ---- threads ---------------------------------------------------------- */

/*
 * A thread's handle: a number in the guise of a pointer, to be compared and passed
 * on. That of a thread that is gone, because it was joined, or was detached and has
 * ended, is no other thread's, also not in a later green_run(); a call that is given
 * one returns -EINVAL, as for anything else that is not a handle.
 */
typedef struct green_handle green_t;

/**
 * struct green_options - for green_run(); zeros (or NULL) mean the defaults
 * @stack_size:	bytes of a thread's first stack; 0: 64 KiB for functions that test
 *		their stack (greencc's do), 256 KiB for others, touched as needed.
 *		Rounded up to a power of two, at least 1 KiB. Less than 16 KiB is
 *		for functions that test only, and has no gap.
 * @max_stack:	bytes to which a stack may grow, at most 2 GiB; 0: 16 MiB
 * @arena_size:	bytes of address space for all stacks; 0: 64 GiB, or if those are
 *		refused (RLIMIT_AS, containers, valgrind) a quarter to a half of what can
 *		be had. At least 4 MiB, and for each worker and for one thread
 *		256 KiB and the gap: 5.5 MiB with the defaults.
 * @workers:	OS threads that run green threads, the caller among them, at most
 *		GREEN_MAX_WORKERS; 0: as many as the process may use CPUs of, by
 *		sched_getaffinity(2) and the quotas of its cgroup, rounded up, if the
 *		arena has room for so many. With 1 no two threads run at the same time.
 *		With more than one, a thread changes its OS thread in calls of this
 *		library and where its slice ends, if all its frames are mapped and it
 *		is not bound: see green_bind(). One with other frames stays on the OS
 *		thread that ran them, and waits for that, however busy it is.
 * @gap:	bytes below each stack that code without tests may run on, of address
 *		space: a touch ends the process, with one line that says which thread
 *		overran its stack and in which function. It is to be larger than the
 *		largest frame of such code, which else may step over it, unless that
 *		code touches each page (gcc's -fstack-clash-protection). 0: 512 KiB;
 *		rounded up to whole pages; at most 1 GiB. The page tables of a gap take
 *		a 512th of it. An arena holds arena_size / (stack_size + gap) threads.
 * @slice:	nanoseconds that a thread may run while others wait; then it lets them run at the
 *		next entry test, as if it called green_yield() there, but is not cancelled by
 *		that. GREEN_SLICE, 10 ms, is a good one, and 1 ms the least; 0: as many as it
 *		likes. It may take half as many more until it is noticed.
 *		Functions that greencc compiled test their stack on entry, unless they
 *		are leaves; code without such tests is not interrupted. A thread is let run
 *		on while other code has a frame on its stack, and while it is bound: who
 *		holds a lock of pthreads over calls of mapped functions binds itself, or
 *		another thread may wait for it here, or be let in if it is recursive.
 *		docs/relocation.md ("What a change of the OS thread means") says more.
 * @quiet:	not 0: if green_run() fails, or a thread cannot be started for want of
 *		stacks, it says nothing on stderr; else it says why, in one line
 */
#define GREEN_MAX_WORKERS 64
#define GREEN_SLICE 10000000

struct green_options {
	size_t stack_size;
	size_t max_stack;
	size_t arena_size;
	unsigned int workers;
	size_t gap;
	int quiet;
	uint64_t slice;
};

/**
 * green_run() - turn the caller into a worker until @main_fn returns
 *
 * @main_fn runs as the first green thread. Threads that are left when it
 * returns are abandoned: their stacks are freed, their defers do not run.
 *
 * Returns what @main_fn returns, 0 if it ends by green_exit(), -ECANCELED if it
 * is cancelled; -EDEADLK when every thread waits for another; -EBUSY
 * inside green_run(); -EINVAL for options that cannot be; -ENOMEM; -ELIBBAD if a
 * function is not whose its name says (mapped code relies on the C library's, and on
 * libgreen's), or the linker has dropped the maps; -EOPNOTSUPP if this C library's
 * jmp_buf is unknown; or the -errno of io_uring_setup(2) or pthread_create(3).
 *
 * An OS thread that runs green threads must not end: pthread_exit() in a green thread, or
 * pthread_cancel() of it, ends the process with one line.
 *
 * Handlers of signals run on a stack of their own meanwhile, of 256 KiB or what the
 * program has set by sigaltstack(2), if that is more. SA_ONSTACK is added to each, and
 * to those that sigaction() and signal() install inside; the C library's are called by
 * those of libgreen. Afterwards all is as it was, or as the program changed it.
 */
int green_run(const struct green_options *opt, int (*main_fn)(void *), void *arg);

/*
 * fork() in a green thread. The parent does not notice. In the child this thread is
 * the only one, on the only worker: it may execute a program, _exit(), make any call
 * of this library, start threads, and call green_run(), which returns to it.
 * Handles of the parent's other threads are -EINVAL. Its end, after its defers, is the
 * child's, as by exit(0); but if it is @main_fn's thread, on the OS thread that
 * called green_run(), that returns, and where it was another OS thread the exit
 * status is what @main_fn returns.
 *
 * The child of an OS thread that is no worker may call green_run(). That of a signal
 * handler on a stack of its own may execute a program or _exit(), and ends with one
 * line at the thread's next wait. Children of _Fork() and of the bare system call,
 * which run no handlers of pthread_atfork(), must make no call of this library.
 */

/**
 * green_run_error() - why the last green_run() of this OS thread failed, in words
 *
 * The step, the cause and what may help, in a line without an end; it is good until the
 * next green_run() of this OS thread. NULL: it did not fail, what it returned
 * is from @main_fn.
 */
const char *green_run_error(void);

/**
 * green_go() - start a green thread; also outside
 *
 * The thread must be joined or detached. @arg is passed on as it is: an address
 * on the caller's stack makes that frame immovable while it lives.
 *
 * Returns NULL when there is no memory, when green_run() does not run, or has ended before
 * it was done.
 */
green_t *green_go(void (*fn)(void *), void *arg);

/**
 * struct green_attr - for green_go_opt(); zeros mean the defaults
 * @name:	for reports; must outlive the thread
 * @stack_size:	bytes of the first stack
 * @gap:	as in struct green_options, but for this thread, wherever its stack is
 *		moved to; more for one that calls code with very large frames. What is
 *		above a page and below green_options' comes to that.
 * @bound:	not 0: it stays on the OS thread that runs it first, as if it called
 *		green_bind() before anything else
 */
struct green_attr {
	const char *name;
	size_t stack_size;
	size_t gap;
	unsigned int bound;
};

green_t *green_go_opt(const struct green_attr *attr GREEN_NOESCAPE,
		      void (*fn)(void *), void *arg);

/**
 * green_join() - wait for a thread's end and free it; green only
 *
 * Returns 0; -ECANCELED if it ended because of green_cancel(); -ETIMEDOUT at the
 * caller's deadline; -EINVAL if @t is gone or detached, somebody joins it already,
 * or it is the first thread; -EDEADLK for oneself.
 */
int green_join(green_t *t);

/**
 * green_exit() - end the calling thread from any depth; green only
 *
 * Runs all that it has deferred, newest first, on top of the stack as it is.
 * In the first thread it makes green_run() return 0.
 */
void green_exit(void) __attribute__((noreturn));

/**
 * green_cancel() - make a thread end where it waits next; also outside
 *
 * A thread that waits does not return from that call, but ends as by
 * green_exit(); one that does not wait does so when it is about to. Waiting are
 * green_yield(), green_sleep_ns(), green_join(), I/O and the calls of green_sync.h that
 * wait. I/O in flight is cancelled first; a call that had already done its work returns its result. In
 * deferred calls of its exit, or of a panic, a thread is left alone.
 *
 * @t is still to be joined or detached. Returns 0, also if @t is cancelled
 * already or is the caller; -EINVAL if it has ended, or is gone.
 */
int green_cancel(green_t *t);

/**
 * green_detach() - let a thread free itself at its end; also outside
 *
 * Returns 0; -EINVAL if @t is gone or detached, or somebody joins it.
 */
int green_detach(green_t *t);

/** green_self() - the calling green thread, or NULL. */
green_t *green_self(void);

/**
 * green_bind() - stay on this OS thread; nests; green only
 *
 * With several workers a thread may wait on one OS thread and go on on another. What
 * belongs to an OS thread is then another's: a thread-local variable has the value of
 * the one that it runs on now, and the address that was taken before is still the
 * first one's; a pthread_mutex_t that was locked before has an owner that this is
 * not. From green_bind() on the thread waits for its OS thread, until a call of
 * green_unbind() for each.
 *
 * While it is bound it also keeps the OS thread until it waits, however long that takes:
 * see @slice of struct green_options.
 *
 * No binding makes it right to wait in this library with a pthread mutex held: the
 * next thread that locks it on the same OS thread stops all that this one runs, the
 * holder among them; if it is recursive, it is let in.
 *
 * Returns 0.
 */
int green_bind(void);
/** green_unbind() - undo one green_bind(), or @bound. 0, or -EINVAL if there is none. */
int green_unbind(void);

/** green_yield() - let the other runnable threads run first; green only. */
void green_yield(void);

/** green_sleep_ns() - 0; -ETIMEDOUT if the deadline comes first; green only. */
int green_sleep_ns(uint64_t ns);

/** green_now_ns() - CLOCK_MONOTONIC, nanoseconds. */
uint64_t green_now_ns(void);

/**
 * green_deadline() - set the calling thread's deadline; green only
 * @at_ns:	CLOCK_MONOTONIC nanoseconds; 0: none
 *
 * Every wait that would last beyond it ends with -ETIMEDOUT, at once if it has
 * passed. Returns the deadline that was in force.
 */
uint64_t green_deadline(uint64_t at_ns);

/* ---- from outside ----------------------------------------------------- */

/*
 * Calls marked "also outside" may be made by OS threads that are none of green_run()'s, be
 * they the program's or a library's, while it runs. They are on their own stack, and know
 * nothing of green threads; a worker does what is to be done as soon as it looks around:
 * within 0.2 ms if it switches between threads, at once if it rests. While all workers
 * compute without a call of this library, the caller waits for them. A call that waits
 * (green_chan_send(), green_chan_recv()) makes the OS thread wait, and no worker.
 *
 * Who may call what (all of it green threads may):
 *
 *	green_...			another OS thread	a signal handler
 *
 *	sem_post,			yes, never waits	yes, on any OS thread
 *	outside_begin, outside_end
 *	self, now_ns, key_get		yes			yes
 *	go, go_opt, detach, cancel,	yes, waits for the	no: -EPERM or NULL
 *	event_set, event_clear,		answer of a worker	on a worker
 *	waitgroup_add, _done,
 *	chan_close, chan_send,
 *	chan_recv, chan_try_send,
 *	chan_try_recv
 *	all others that are		no: -EPERM or NULL	no: -EPERM or NULL
 *	"green only"
 *
 * A thread that was started from outside is like any other; green threads join it, and
 * anybody may detach or cancel it. It inherits the rounding and the exception masks of who
 * started it, as of a green thread.
 *
 * At the end of green_run(), for whatever reason, calls that were not done by then return
 * -ESHUTDOWN (or NULL), and what was to be sent is the caller's; none is left behind in
 * green_run(), and none touches anything of it from then on. When no green_run() runs they
 * return -EPERM (or NULL). Whoever frees what he has passed, or unloads what green_run() is
 * called by, waits for his OS threads first.
 *
 * That all threads wait for each other is reported as ever (-EDEADLK), though OS threads
 * or handlers may be about to call, since nobody knows: who knows it says so by
 * green_outside_begin().
 *
 * A handler may interrupt anything, calls of this library and for the same semaphore among
 * them, on any OS thread: green_sem_post() takes no lock and no memory, and never waits.
 */

/**
 * green_outside_begin() - somebody outside is going to call; nests; anywhere
 *
 * Until a green_outside_end() for each green_run() waits for him where every thread waits,
 * and does not return -EDEADLK. To be called before the OS thread is started, or the
 * handler installed, that it is for. At the end of green_run() all are undone, and in a
 * child of fork() there are none.
 *
 * Returns 0; -EPERM if no green_run() runs.
 */
int green_outside_begin(void);
/** green_outside_end() - undo one. 0; -EINVAL if there is none; -EPERM. */
int green_outside_end(void);

/* ---- defers ----------------------------------------------------------- */

typedef void (*green_fn)(void);

#define GREEN_DEFER_ARGS 6

/**
 * struct green_defer - a pending call
 *
 * Its fields belong to the runtime from green_defer*() until the call has been
 * made. Storage for green_defer_at() may lie on the stack; it moves along.
 */
struct green_defer {
	struct green_defer *link;	/* the next older record */
	green_fn fn;
	const void *argp;		/* the scope it belongs to, on the stack */
	unsigned int nr_args;
	unsigned int kinds;		/* bit i: argument i is a pointer */
	unsigned int flags;
	unsigned int pad;
	uintptr_t args[GREEN_DEFER_ARGS];
};

/**
 * struct green_closure - a deferred call that carries its own data
 * @fn:		called with the closure's address
 * @size:	bytes of the whole closure, this head included
 *
 * To be embedded as the first member. On the stack it may hold stack
 * addresses, which its frame's map adjusts; on the heap it may not, and a stack
 * with such a closure pending does not move.
 */
struct green_closure {
	void (*fn)(struct green_closure *self);
	size_t size;
};

struct green_scope {
	unsigned long pending;
};

/*
 * What these are given is kept until the scope is left, so none of it is
 * GREEN_NOESCAPE: the optimizer must expect the deferred function to use it.
 * greencc knows that the runtime adjusts all of it when the stack moves.
 */
int green_defer_push(struct green_scope *s, struct green_defer *rec, green_fn fn,
		     unsigned long meta, const volatile void *a0,
		     const volatile void *a1);
int green_defer_more(unsigned long meta, const volatile void *a2,
		     const volatile void *a3, const volatile void *a4,
		     const volatile void *a5);
void green_defer_leave(struct green_scope *s);

static inline void green_scope_leave(struct green_scope *s)
{
	if (s->pending)
		green_defer_leave(s);
}

/**
 * GREEN_SCOPE - what is deferred from here on runs, newest first, when the
 * enclosing block is left, be it by green_exit(), green_cancel() or a panic
 *
 * By longjmp() or its like, or a C++ exception, too: before the frames go, newest
 * first, among the destructors where it belongs. A jump from a signal handler over
 * deferred calls ends the process, with a line, as does a way out that libgreen does
 * not see (setcontext(3), an exception where libgcc is linked in statically), as soon as
 * it is noticed: at the next deferred call or panic, or at the thread's end.
 */
#define GREEN_SCOPE							\
	struct green_scope GREEN_THIS_SCOPE_				\
	__attribute__((cleanup(green_scope_leave))) = { 0 }

/*
 * green_defer(fn, args...) - call fn(args...) at the end of the GREEN_SCOPE;
 * green only
 *
 * Up to six arguments, each an integer of at most 64 bits, an enum or a pointer; they
 * are evaluated now, once, before anything is deferred. Yields 0, or -ENOMEM when
 * nothing was deferred. The deferred function must not keep the address of a local of
 * the scope's function.
 *
 * Compilers check the arguments as those of a call, and refuse an integer for a pointer
 * or the reverse; a function that takes anything else than integers, enums and pointers,
 * or returns a struct, a union or a long double; and more than six arguments. In C++,
 * from C++17 on, arguments are converted to the parameters' types, and variadic
 * functions are refused. In C a parameter narrower than int (_Bool, char, short) wants
 * an argument of its type: if one is not, and is neither 0, 1 nor a _Bool, all are to be
 * cast to the types of their parameters. The same is wanted of a variadic function
 * before C23, so that there is none. A parameter of type __int128 is not noticed in C.
 */
#define green_defer(...) GREEN_DEFER_(NULL, __VA_ARGS__)

/* The same with the caller's storage: cannot fail. @rec outlives the scope. */
#define green_defer_at(rec, ...) GREEN_DEFER_((rec), __VA_ARGS__)

/* green_defer_closure(c) - call c->fn(c) at the end of the scope. */
#define green_defer_closure(c)						\
	__extension__ ({						\
		struct green_closure *green_closure_ = (struct green_closure *)(c); \
		green_defer_push(&GREEN_THIS_SCOPE_, NULL,		\
				 (green_fn)green_closure_->fn,		\
				 GREEN_META_CLOSURE | 1UL | 1UL << 8,	\
				 green_closure_, NULL);			\
	})

#include <green/defer.h>

/* ---- panics ----------------------------------------------------------- */

/**
 * green_try() - call @fn(@arg), and come back even if it panics; green only
 *
 * A panic in @fn, or in what it calls, runs the defers of all that it leaves,
 * newest first, and then ends here. @fn must not keep @arg.
 *
 * Returns NULL, or the panic's message, which is valid until the thread's next
 * panic is caught. If deferred calls panicked on the way, it is that of the last.
 */
const char *green_try(void (*fn)(void *), void *arg GREEN_NOESCAPE);

/*
 * green_panic(fmt, ...) - give up what is being done; does not return
 *
 * Runs defers up to the innermost green_try(). Without one it runs all of the
 * thread's, prints one line with the message, and calls abort(). What it formats
 * is cut after 255 bytes.
 */
#define green_panic(...) (green_defer_format(__VA_ARGS__), green_panic_raise())

/* greencc knows from its name that it keeps no address. */
int green_defer_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void green_panic_raise(void) __attribute__((noreturn));

/* ---- thread-locals ---------------------------------------------------- */

#define GREEN_KEYS 1024			/* that there can be */
#define GREEN_KEY_PASSES 4

/**
 * green_key_create() - a variable of which each green thread has a value of its own
 * @destructor:	called at a thread's end with its value, if that is not NULL; or NULL
 *
 * May be called anywhere, also before green_run(); keys outlive it.
 *
 * Destructors run in the thread that ends, after all that it has deferred: when its
 * function has returned, at green_exit(), or when it is cancelled. For each value that
 * is not NULL that is set to NULL first, then the key's destructor is called; in no order to
 * be relied on. If destructors have set values, all of it is done again, but not more than
 * GREEN_KEY_PASSES times; what is left then is forgotten. Destructors may do what the
 * thread may do, but they are not cancelled. Threads that are abandoned, as the first
 * thread has ended, call none.
 *
 * Returns the key, 0 or more; -EAGAIN if there are GREEN_KEYS already.
 */
int green_key_create(void (*destructor)(void *value));

/**
 * green_key_delete() - forget a key, and all values that threads have of it
 *
 * No destructor is called, so they are to be freed before. May be called anywhere.
 * The number is no other key's for the next two million that are created.
 *
 * Returns 0; -EINVAL if there is no such key.
 */
int green_key_delete(int key);

/**
 * green_key_get() - the calling thread's value
 *
 * A function call and a few loads: it never waits. Returns NULL before a value was
 * set; where the caller is not a green thread; and if there is no such key.
 */
void *green_key_get(int key);

/*
 * What green_key_set() is made of: the first returns 1 if the second is to make room.
 * Both keep @value, and so pin its frame if it lies on the stack.
 */
int green_key_put(int key, const void *value);
int green_key_store(int key, const void *value);

/**
 * green_key_set() - set the calling thread's value; green only
 * @value:	is the caller's; an address on the stack makes that frame immovable until
 *		its function returns
 *
 * As cheap as green_key_get(), but for a thread's first value, and sometimes its
 * fifth, ninth and so on. Returns 0; -EINVAL if there is no such key; -EPERM; -ENOMEM.
 */
static inline int green_key_set(int key, const void *value)
{
	int err = green_key_put(key, value);

	return err > 0 ? green_key_store(key, value) : err;
}

/* ---- stacks ----------------------------------------------------------- */

/* Why a stack was not moved. */
enum green_nomove_reason {
	GREEN_NOMOVE_NONE,
	GREEN_NOMOVE_FRAME,		/* a frame without a verified map */
	GREEN_NOMOVE_DEFER_UNKNOWN,	/* a defer whose function nobody knows */
	GREEN_NOMOVE_DEFER_FOREIGN,	/* ... whose function has no maps */
	GREEN_NOMOVE_ESCAPED,		/* a stack address kept outside the stack */
	GREEN_NOMOVE_AMBIGUOUS,		/* a word that may be a stack address */
	GREEN_NOMOVE_IO,		/* I/O in flight into the stack */
	GREEN_NOMOVE_PINNED,		/* green_pin() */
	GREEN_NOMOVE_RUNNING,		/* running, or finished */
	GREEN_NOMOVE_DISABLED,		/* GREEN_DEBUG=nomove */
	GREEN_NOMOVE_REASONS
};

/**
 * struct green_nomove - one refusal
 * @reason:	why
 * @pc:		the return address or function that it is about, or NULL
 * @function:	its name, as far as known
 */
struct green_nomove {
	enum green_nomove_reason reason;
	const void *pc;
	char function[64];
};

/** green_nomove_name() - "DEFER_FOREIGN" and so on; never NULL. */
const char *green_nomove_name(enum green_nomove_reason reason);

/**
 * green_stack_move() - relocate a parked thread's stack, or one's own; green only
 * @t:		the thread
 * @new_size:	bytes of the new stack; 0: as large as the old
 * @why:	may be NULL; filled on -EBUSY
 *
 * Returns 0; -EBUSY when the stack may not move, and nothing was touched; -EINVAL
 * if @t is gone; -ENOSPC if @new_size is too small for what is on the stack and what
 * its functions have secured, or beyond max_stack; -ENOMEM.
 */
int green_stack_move(green_t *t, size_t new_size,
		     struct green_nomove *why GREEN_NOESCAPE);

/** green_pin() - forbid moves of one's own stack; nests; green only. */
int green_pin(void);
/** green_unpin() - undo one green_pin(). 0, or -EINVAL if there was none. */
int green_unpin(void);

/**
 * struct green_stack_info - a thread's stack
 * @lo:		lowest usable address
 * @hi:		one behind the highest
 * @used:	bytes in use, from the stack pointer to @hi
 * @moves:	how often it was moved
 */
struct green_stack_info {
	uintptr_t lo;
	uintptr_t hi;
	size_t used;
	uint64_t moves;
};

/** green_stack_info() - fills @info: 0; -EINVAL if @t has ended, or is gone. */
int green_stack_info(green_t *t, struct green_stack_info *info GREEN_NOESCAPE);

/**
 * green_stack_depth() - bytes of stack that the calling thread has in use
 *
 * From its first frame to the caller's, over all segments: what a limit of one's own is
 * compared with. It takes a few nanoseconds, and never waits. Returns 0 where the
 * caller is not on the stack of a green thread.
 */
size_t green_stack_depth(void);

/**
 * green_stack_depth_address() - a number to measure the calling thread's stack by
 * @addr:	of a local, or a frame
 *
 * Where @addr would lie if this stack were one piece that never moved, far from all
 * addresses that there are: what is called later is lower, and two differ by the
 * bytes of stack between them, be they taken before moves or on other segments. It
 * is good as long as the frame of @addr is there, is compared with others of the same
 * thread only, and is no address: what uses it as one faults. @addr may be adjusted as
 * ever; the call takes a few nanoseconds and never waits.
 *
 * Returns @addr itself where that is not on the calling green thread's stack. In
 * programs without libgreen, which greencc has linked, it always does.
 *
 * greencc puts this number in the place of addresses that are seen to do nothing but
 * measure: docs/porting.md.
 */
uintptr_t green_stack_depth_address(const volatile void *addr GREEN_NOESCAPE);

/**
 * struct green_stats - counts of all workers since green_run()
 * @backend:	"module" or "user"
 */
struct green_stats {
	const char *backend;
	uint64_t threads;
	uint64_t live;
	uint64_t switches;
	uint64_t moves_kernel;
	uint64_t moves_copy;
	uint64_t moves_io;		/* ... while the thread had I/O in flight */
	uint64_t moved_bytes;
	uint64_t words_adjusted;	/* that maps named; frame pointers are not counted */
	uint64_t stolen;		/* threads that changed their worker */
	uint64_t segments;		/* begun, as a stack could not move to grow */
	uint64_t shrunk;		/* stacks of idle threads, by a move */
	uint64_t trimmed;		/* ... that stayed, and gave pages back */
	uint64_t sliced;		/* threads that let others run as their slice was over */
	/* Moves refused: asked for, forced, or to grow; those to shrink are not counted. */
	uint64_t refused[GREEN_NOMOVE_REASONS];
};

int green_stats(struct green_stats *s GREEN_NOESCAPE);

/**
 * green_dump() - write to @fd what each thread waits for; green only
 *
 * A line a thread: its id and name; what it waits for, and on which object, descriptor or
 * thread; for how many milliseconds, to which may be added what it had run before without a
 * switch; and the function that called. Of threads that run, and with several workers of
 * those that are ready, no more than that. Others run meanwhile, so not all lines are of the
 * same moment. It writes by write(2), which may block. That every thread waits for
 * another makes green_run() write the same to stderr, for the first hundred, unless it is quiet.
 *
 * Returns how many threads there are, the caller among them; or the -errno of write(2).
 */
int green_dump(int fd);

/**
 * green_refusal() - the @i-th kind of refusal seen, for reports
 *
 * Kinds differ in reason or function. Growth that is refused where it was refused
 * just before counts again, without another proof. Returns the kind's count, or 0
 * beyond the last.
 */
uint64_t green_refusal(unsigned int i, struct green_nomove *what GREEN_NOESCAPE);

/* ---- I/O, by io_uring; green only ------------------------------------- */

/*
 * Each parks the caller until the kernel has done it (but for some reads of a file that
 * is in memory, which are done at once), and returns what the
 * system call of that name returns, or -errno; -ETIMEDOUT at the caller's
 * deadline; -ECANCELED if another thread closed the descriptor meanwhile, by
 * green_close(); -ENOMEM. What was read or written by then is returned instead. Memory that
 * an operation uses must stay until the call returns; a stack that holds it does not
 * move meanwhile (GREEN_NOMOVE_IO).
 *
 * They wait with O_NONBLOCK, too; MSG_DONTWAIT is heeded. A peer that is gone is
 * -EPIPE, without SIGPIPE: while green_run() runs libgreen handles that signal,
 * unless it is ignored, and passes on what the program's own system calls raise. Reads and writes at
 * the position of one file take turns among green threads; with other OS threads or
 * processes that use it at the same time io_uring does not.
 *
 * A file server (FUSE) may be a thread of the program's. If its files are opened for direct
 * I/O (FOPEN_DIRECT_IO) io_uring does not advance their position: use green_pread().
 *
 * When green_run() returns, no operation is in flight: what threads that are left
 * had begun is cancelled, and what cannot be, like a read of a disk, is waited for.
 */
ssize_t green_read(int fd, void *buf GREEN_NOESCAPE, size_t len);
ssize_t green_write(int fd, const void *buf GREEN_NOESCAPE, size_t len);
ssize_t green_pread(int fd, void *buf GREEN_NOESCAPE, size_t len, off_t off);
ssize_t green_recv(int fd, void *buf GREEN_NOESCAPE, size_t len, int flags);
ssize_t green_send(int fd, const void *buf GREEN_NOESCAPE, size_t len, int flags);
int green_accept(int fd, struct sockaddr *addr GREEN_NOESCAPE,
		 socklen_t *len GREEN_NOESCAPE, int flags);
int green_connect(int fd, const struct sockaddr *addr GREEN_NOESCAPE,
		  socklen_t len);
int green_shutdown(int fd, int how);
/** green_openat() - with O_NONBLOCK, which regular files ignore, it is faster. */
int green_openat(int dir, const char *path GREEN_NOESCAPE, int flags, mode_t mode);
/**
 * green_close() - close a descriptor
 *
 * Calls of other green threads that use @fd end first, with -ECANCELED; that of
 * another descriptor for the same file goes on. Neither the caller's deadline
 * nor its cancellation ends the call. A descriptor that close(2) closes stays in use
 * until those calls end.
 *
 * Returns 0; -EBADF, also while another thread closes it; -ENOMEM, and it is open still;
 * or what close(2) returns.
 */
int green_close(int fd);
/** green_poll() - wait for poll(2) @events on @fd; returns the events. */
int green_poll(int fd, unsigned int events);

#ifdef __cplusplus
}
#endif
#endif /* GREEN_H */
