/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What the files of libgreen share. Workers are OS threads, and struct green_runtime
 * says what is locked between them.
 *
 * The runtime runs on the worker's own stack. A public call enters through
 * enter.S, which leaves nothing on the green stack but the block described at
 * struct green_saved; so every parked stack looks the same, and there is never
 * a frame of the runtime on it.
 */
#ifndef GREEN_INTERNAL_H
#define GREEN_INTERNAL_H

#include <green/abi.h>

/* Offsets for enter.S; checked by the assertions at the end of this file. */
#define T_SP		0
#define T_RET		8
#define T_LIMIT		16
#define T_LO		24
#define T_HI		32
#define T_TRY		40
#define T_PANICS	48
#define T_SLOT		56
#define T_SEGMENT	64
#define T_SPARE		72

#define S_LO		0
#define S_HI		8
#define S_LIMIT		16
#define S_SP		24
#define S_SLOT		32
#define S_OUTER		40
#define S_RBP		48

#define SLOT_NEXT	0

#define W_SP		0
#define W_CURRENT	8
#define W_AFTER		16
#define W_OS_SP		24
#define W_RUNNING	32
#define W_FRAMES	40
#define SAVED_SIZE	64
#define ENTRY_SIZE	208
#define ENTRY_FLAGS	128
#define ENTRY_FAR	1		/* GREEN_ABI_FAR bytes of arguments, not GREEN_ABI_NEAR */
#define ENTRY_FIXED	2		/* only a segment will do */
#define D_FN		8
#define D_FLAGS		32
#define D_ARGS		40
#define CALL_UNTESTED	4		/* in D_FLAGS: it needs a segment to run on */

#ifndef __ASSEMBLER__

#include <assert.h>
#include <green.h>
#include <green_ptrmap.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GREEN_PAGE	4096UL

#define GREEN_LARGEST_STACK	(2UL << 30)
#define GREEN_LARGEST_GAP	(1UL << 30)

/* What enter.S pushes on a green stack; the thread's sp points at it. */
struct green_saved {
	uint32_t mxcsr;
	uint16_t fpucw, pad;
	uint64_t r15, r14, r13, r12, rbx;
	uint64_t rbp;
	uint64_t pc;
};

enum green_state {
	STATE_READY,		/* in the run queue */
	STATE_RUNNING,
	STATE_PARKED,		/* whoever wakes it calls green_ready() */
	STATE_DONE,
};

/* How far a green_cancel() has come. */
enum green_cancel {
	CANCEL_NONE,
	CANCEL_ASKED,		/* to be delivered at the next park */
	CANCEL_DELIVERED,
};

/* A panic on its way, or caught; in the heap. */
#define GREEN_PANIC_TEXT 256

struct green_panic {
	struct green_panic *link;	/* the next older one */
	uintptr_t sp;			/* of green_panic(), or of what runs its defers */
	char text[GREEN_PANIC_TEXT];
};

/* The frame of green_try(), from its stack pointer up. */
struct green_try {
	struct green_panic *panics;	/* those that were on their way before */
	struct green_try *outer;
	struct green_saved saved;
};

/*
 * The sizes that slots come in (sizes.c). The limit that entry checks enforce lies
 * @slack above the lowest byte, for what is not checked: small frames and leaf
 * functions, small functions of the C library, the entry of a runtime call.
 */
struct green_size {
	size_t bytes;
	unsigned int slack;
	unsigned int cached;		/* free ones that a worker keeps for itself */
	unsigned int warm;		/* ... that keep their pages, for all */
};

#define GREEN_SIZES 22
#define GREEN_PACKED 4			/* the first so many have no gap */
extern const struct green_size green_sizes[GREEN_SIZES];

/* A slot of the arena: a gap, which is sealed, unless it is packed; then the stack. */
struct green_slot {
	struct green_slot *next;	/* in the free list of its size */
	uintptr_t lo;			/* first usable byte, above the gap */
	uintptr_t hi;
	size_t gap;			/* bytes; 0 if it is packed */
	struct green_slab *slab;	/* that it is packed in, or NULL */
	unsigned int size;		/* in green_sizes */
	bool sealed;			/* a move left all of it sealed */
};

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

struct green_link {
	struct green_link *next, *prev;
};

/*
 * An I/O call that has not returned. What it was asked for is kept: it may have to
 * wait before it begins (file.c), or to begin again (uring.c).
 */
struct green_io {
	bool busy;			/* mem[] may still be used */
	bool in_flight;			/* the kernel has it: a CQE is to come */
	bool cancelled;			/* it is to end: the deadline came, a green_cancel(), */
	bool closed;			/* ... or a green_close() of its descriptor */
	bool anyway;			/* it is to be done even so: a close */
	bool whole;			/* a write that waits until all is written */
	bool positioned;		/* at the file's own position: one at a time */
	unsigned char op;		/* enum green_op */
	unsigned char cancels;		/* how often the kernel was asked to cancel it */
	int fd, dir;
	unsigned int flags;		/* of the call; poll's events, shutdown's how */
	mode_t mode;
	off_t off;
	size_t done;			/* bytes of mem[0] that were written */
	const void *mem[GREEN_IO_MEM];
	size_t len[GREEN_IO_MEM];
	/* For file.c. */
	struct green *fd_next, **fd_link; /* other calls with this descriptor */
	uint64_t dev, ino;		/* the file, if positioned */
	bool waits;			/* for another's end */
	struct green_link turn;		/* with the others that wait for that, or do not */
	struct green_link waiting;	/* those that wait for this one's end */
};

/*
 * What green_stack_morestack() has on the stack while the runtime works: the
 * registers that may hold arguments of the function at whose front it was called.
 */
struct green_entry {
	unsigned char floats[128];
	uint64_t flags;			/* ENTRY_* */
	uint64_t r10;
	uint64_t word[6];		/* the last first */
	uint64_t rax;
	uint64_t pc;			/* in the function */
};

/*
 * At the top of a segment but the first: the segment before it, as it is to be
 * when this one is left. See segment.c.
 */
struct green_segment {
	/* For enter.S, in this order. */
	uintptr_t lo, hi, limit;
	uintptr_t sp;			/* of the return address */
	struct green_slot *slot;
	struct green_segment *outer;
	/* The function's caller, as a frame: for those who follow frame pointers. */
	uintptr_t rbp;
	const void *ret;
	uintptr_t depth_hi;		/* of this one: depth.c */
	uintptr_t pad;			/* frames are aligned to 16 bytes */
};

/* Frames whose addresses are kept outside the stack; no particular order. */
#define GREEN_FEW_ESCAPES 2
#define GREEN_ESCAPES 32

struct green_escape {
	uintptr_t addr;			/* the lowest address that is kept */
	uintptr_t end;			/* of its frame, or behind addr */
};

struct green_escapes {
	unsigned int nr;
	struct green_escape few[GREEN_FEW_ESCAPES];
	struct green_escape *many;	/* GREEN_ESCAPES, instead; or NULL */
};

struct green {
	/* For enter.S, in this order. */
	uintptr_t sp;			/* parked or inside the runtime: &green_saved */
	long ret;			/* what the runtime call returns */
	uintptr_t limit;		/* entry checks call green_stack_grow() below it */
	uintptr_t lo, hi;		/* the stack's usable range */
	struct green_try *try;		/* the innermost, on the stack */
	struct green_panic *panics;	/* on their way, newest first */
	struct green_slot *slot;	/* of the newest segment */
	struct green_segment *segment;	/* ... or NULL while there is but one */
	struct green_slot *spare;	/* slots of segments that were left */
	unsigned int first_size;	/* of its first slot */
	unsigned int idle;		/* looks of shrink.c since it parked */
	unsigned int crossings;		/* of border, without a proof */
	uintptr_t border;		/* its sp when a refusal last made it begin a segment */
	unsigned int border_kind;	/* ... of refusal: nomove.c */
	uintptr_t depth_hi;		/* of its first segment, which has no struct: depth.c */

	struct green *next;		/* in the run queue */
	struct green *all_next, **all_link; /* in the list of all threads */
	struct green_worker *home;	/* it ran there last; only that has its TLS */
	enum green_state state;
	unsigned int pins;
	unsigned int bound;		/* to its worker; nests */
	bool detached;
	bool guarded;			/* its first function tests nothing: no packed slots */
	size_t gap;			/* below the stacks that foreign code may run on */
	bool timed_out;			/* woken by its timer */
	const char *name;
	uint64_t id;
	uintptr_t handle;
	uint64_t moves;
	struct green *joiner;		/* parked in green_join() on this thread */
	struct green *joining;		/* the thread it is parked on, if in green_join() */
	struct green_defer *defers;	/* newest first */
	struct green_defer call;	/* handed to a runner; fn is NULL once it has it */
	struct green_panic *caught;	/* whose text green_try() last returned */
	enum green_cancel cancel;
	uintptr_t exiting;		/* sp of green_exit(), which is not to be left; or 0 */
	uint64_t deadline;		/* 0: none */
	uint64_t wake_at;		/* key in the timer heap */
	int timer;			/* index in the timer heap, or -1 */
	struct green_io io;
	struct green_escapes escapes;
};

/* Of the calling OS thread. */
static inline void green_set_limit(uintptr_t limit)
{
	__asm__ volatile("movq %0, %%fs:%c1" : : "r"(limit), "i"(GREEN_ABI_LIMIT) : "memory");
}

/* In a call of the runtime: the sp of who called. */
static inline uintptr_t green_caller_sp(const struct green *t)
{
	return t->sp + sizeof(struct green_saved);
}

#define GREEN_POISON 0x67		/* 'g' */

struct green_debug {
	unsigned int stack;		/* bytes of first stacks of mapped functions */
	bool move_park;			/* move each stack when it parks */
	bool move_call;			/* ... in each runtime call */
	unsigned int move_entry;	/* ... in one of so many entry checks */
	bool seal;			/* a stack that was left is inaccessible */
	bool poison;
	bool verify;
	bool nomove;
	bool user_backend;
	bool mappings;			/* seal by mappings, as before guard markers */
	bool switch_module;
	unsigned int skip;		/* leave out one adjustment in skip */
	unsigned int trace;
};

/* A function's map, whichever the form of its record. */
struct green_map {
	const char *start;
	uint32_t code_size;
	uint32_t flags;
	const char *name;
	bool packed;			/* the form of what these point to */
	uint32_t nr_args, nr_locals, nr_slots, nr_safepoints;
	const uint8_t *args, *locals, *slots, *safepoints;
};

/* Words of a frame in a row. */
struct green_words {
	int64_t offset;			/* of the first, from the base */
	uint32_t nr;
	uint32_t base;			/* GREEN_BASE_* */
	uint32_t period;
	const uint8_t *bits;		/* two a word, for period words */
};

/* A call, decoded. */
struct green_site {
	const void *ret;		/* its return address */
	uint32_t flags;			/* of the function that it is in */
	bool mapped;			/* the words are known */
	uint32_t nr;
	size_t max;
	struct green_words *words;	/* its slots and locals */
};

/* The calls that were asked for last, by a hash. */
#define GREEN_SITES 1024

struct green_sites {
	unsigned int changes;		/* of the registry, when these were asked for */
	struct green_site site[GREEN_SITES];
};

struct green_backend;
struct green_uring;
struct green_files;

/* Threads that are ready, the first that came first. */
struct green_queue {
	struct green *head, **tail;
};

enum green_rest {
	REST_NONE,			/* it has a thread, or looks for one */
	REST_COND,
	REST_RING,
};

struct green_worker {
	/* For enter.S, in this order. */
	uintptr_t sp;			/* top of the runtime's stack */
	struct green *current;		/* NULL while nobody runs */
	uintptr_t after;		/* not 0: call green_after() before a return */
	uintptr_t os_sp;		/* the OS thread's stack, a green_saved */
	struct green *running;		/* whose own code runs; NULL inside the runtime */
	const uintptr_t *frames;	/* sp of the current thread, or os_sp: for unwinders */

	uintptr_t os_hi;		/* where the stack of green_run()'s caller ends, or 0 */

	struct green_queue aside;	/* stay here; before the others */
	struct green_queue runq;
	unsigned int ticks;		/* switches to the next look around */
	uint64_t looked;		/* around, in ticks of the TSC */
	uint64_t switched;		/* to a thread, likewise */
	unsigned int nr;
	enum green_rest rest;
	bool kicked;			/* somebody ends its rest */
	pthread_cond_t cond;		/* it rests here, or in the ring */
	pthread_t thread;
	stack_t signal_stack, old_signal_stack;
	bool has_signal_stack;		/* the OS thread uses it */
	struct green_escape *spare_escapes; /* for the next thread that needs many */
	struct {
		struct green_slot *head;
		unsigned int nr;
	} cache[GREEN_SIZES];
};

/*
 * What workers share. green_lock() guards it, the arena, the threads that are not
 * running, and all that runtime calls touch: they hold it from green_enter() on,
 * and a worker without a thread until it has one. Nothing else is taken
 * within but the lock of the registry (ptrmap.c). One worker alone takes none.
 */
struct green_runtime {
	struct green_worker *worker;
	unsigned int nr_workers;
	struct green_worker *poller;	/* the one that waits in the ring */
	uint64_t poll_until;		/* ... until then; 0: for ever */
	unsigned int nr_idle;
	struct green *all;
	struct {			/* shrink.c */
		struct green *next;	/* who is looked at next; NULL: a pass is over */
		uint64_t began;		/* the pass, in nanoseconds */
		bool quiet;		/* nothing has run since */
		unsigned int left;	/* passes until all is looked at */
		uint64_t switches;	/* when a worker went to rest last */
	} shrink;
	struct green *main;
	int main_ret;
	bool main_done;
	bool main_is_void;		/* it was not green_run()'s: its result is noise */
	bool forked;			/* in a child: fork.c */
	bool forked_elsewhere;		/* ... which does not return from green_run() */
	bool forked_inside;		/* ... by a signal handler: it cannot go on */
	bool deadlock;			/* ... as nobody could go on */
	bool any_arena;			/* of the default size, or what can be had */
	struct green_debug debug;
	const struct green_backend *backend;
	size_t crossover;		/* stacks that use less are copied */
	bool arena_full;		/* it had no room for a slot */
	struct green_uring *uring;
	struct green_files *files;
	struct green_options opt;
	struct green_stats stats;
	struct green **timers;		/* heap by wake_at */
	unsigned int nr_timers, max_timers;
	struct green_sites *sites;	/* NULL until a proof needs them */
};

/*
 * Static variables that green_run() sets up, all of them: a child of fork() that calls
 * green_run() in a green thread puts them aside (fork.c).
 */
#define GREEN_PER_RUN __attribute__((section("green_per_run")))

extern struct green_runtime green_rt;
/* More than one worker? Known to enter.S. */
extern int green_shared;
void green_lock(void);
void green_unlock(void);

/* The worker that this OS thread is, or NULL. */
extern __thread struct green_worker *green_worker
	__attribute__((tls_model("initial-exec")));

/* worker.c */
int green_workers_init(unsigned int nr);
/* With empty queues. */
void green_worker_init(struct green_worker *w, unsigned int nr);
int green_workers_run(void);
/* The calling OS thread is @w from now on, or none. */
void green_be_worker(struct green_worker *w);
void green_workers_exit(void);
void green_ready(struct green *t);
struct green *green_next_thread(struct green_worker *w);
/* To @w's queue from that of a worker which has not switched for long. */
void green_rescue(struct green_worker *w);
void green_rest(struct green_worker *w);
void green_pass_on_the_ring(void);
/* A timer was set: whoever waits in the ring must not wait beyond it. */
void green_poll_until(uint64_t at);
/* Let all workers end; what green_run() returns. */
void green_stop(int ret);

/* sched.c */
/* Mark the current thread parked; the caller then returns to enter.S. */
struct green *green_park(struct green_worker *w);
struct green *green_schedule(struct green_worker *w);
/* End a wait from outside: nothing that it waits for will wake it. */
void green_wake(struct green *t);
void green_wake_expired(struct green *t);
/* green_run() may be called again. */
void green_run_is_over(void);

/*
 * While a thread's sp is not where its frames are, or they are about to go, it is not
 * the current one: a signal handler may unwind from here to wherever that says.
 */
static inline void green_set_current(struct green_worker *w, struct green *t)
{
	__asm__ volatile("" : : : "memory");
	w->current = t;
	w->frames = t ? &t->sp : &w->os_sp;
	__asm__ volatile("" : : : "memory");
}

static inline struct green *green_hide(void)
{
	struct green *t = green_worker->current;

	green_set_current(green_worker, NULL);
	return t;
}

static inline void green_show(struct green *t)
{
	green_set_current(green_worker, t);
}

/* enter.S */
long green_worker_enter(struct green_worker *w);
/* @target is about to become the stack pointer: bring the running thread in line. */
void green_leave_frames(uintptr_t target);
/* The stack pointer in a jmp_buf. */
uintptr_t green_jmp_target(const void *env);
_Noreturn void green_jump(const void *env, int val);
extern const char green_thread_entry[], green_thread_base[], green_switch_resume[];
extern const char green_stack_morestack_return[], green_segment_leave[];
extern const char green_segment_leave_far[], green_try_call[];

/* handle.c */
struct green *green_descriptor_get(void);
void green_descriptor_put(struct green *t);
void green_descriptors_exit(void);
/* The thread that has it, or NULL if none has. */
struct green *green_of(const green_t *handle);

/* timer.c */
int green_timer_add(struct green *t, uint64_t at);
void green_timer_del(struct green *t);
struct green *green_timer_pop(uint64_t now);
/* When the next one is due; 0: there is none. */
uint64_t green_timer_next(void);

/* arena.c */
int green_arena_init(void);
void green_arena_exit(void);
/* @bytes that were never used, the first @gap of them sealed; 0: there are none. */
uintptr_t green_arena_carve(size_t bytes, size_t gap);
bool green_in_arena(uintptr_t addr);
/* ... in the part that slots are cut from. */
bool green_in_slots(uintptr_t addr);
/* Why the last green_arena_carve() failed, and what to do about it; NULL: it did not. */
const char *green_arena_why(void);
/* Has @opt less than what workers and a thread take? That is then *@least. */
bool green_arena_too_small(const struct green_options *opt, size_t *least);

/* free_slots.c */
/* A slot that is no packed one, as it is allocated. */
struct green_free {
	struct green_slot slot;
	struct green_free *younger, **link;	/* by age */
	uint64_t age;				/* how many were put before it */
	struct green_free *lower, *higher;	/* by address */
};

struct green_free_list {
	struct green_free *head, **tail;
	struct green_free *tree;
	unsigned int nr;
	uint64_t put;
};

void green_free_init(struct green_free_list *l);
void green_free_put(struct green_free_list *l, struct green_slot *s);
/* Taken out, or NULL: one that has @gap, and ends at @below at the latest. */
struct green_slot *green_free_oldest(struct green_free_list *l, size_t gap);
/* ... the oldest of the highest @among. */
struct green_slot *green_free_highest(struct green_free_list *l, size_t gap, uintptr_t below,
				      unsigned int among);

/* sizes.c */
/* Of the least size that has @room above its limit; beyond max_stack if none has. */
size_t green_bytes_for(size_t room);

/* stack.c */
enum green_slot_kind {
	SLOT_ANY,
	SLOT_GUARDED,			/* with a gap: for code that tests nothing */
	SLOT_COLD,			/* ... and no pages: for what a move puts there */
};

void green_stacks_init(void);
void green_stacks_exit(void);
/*
 * A slot of at least @bytes that ends at @below at the latest, with @gap below it if
 * it is not packed; or NULL.
 */
struct green_slot *green_slot_get(size_t bytes, enum green_slot_kind kind, size_t gap,
				  uintptr_t below);
/* The gap below a slot of @bytes of @t. */
size_t green_gap_of(const struct green *t, size_t bytes);
/* Whole pages; UINTPTR_MAX stays beyond GREEN_LARGEST_GAP. */
static inline size_t green_gap_round(size_t gap)
{
	return gap > GREEN_LARGEST_GAP ? gap : (gap + GREEN_PAGE - 1) & ~(GREEN_PAGE - 1);
}
void green_slot_put(struct green_slot *slot);
/* ... of a segment: where a search by address finds it, not in a worker's cache. */
void green_slot_put_segment(struct green_slot *slot);
static inline size_t green_slot_bytes(const struct green_slot *slot)
{
	return green_sizes[slot->size].bytes;
}
static inline unsigned int green_slot_slack(const struct green_slot *slot)
{
	return green_sizes[slot->size].slack;
}
void green_stack_set(struct green *t, struct green_slot *slot);

/* slab.c */
struct green_slot *green_slab_get(unsigned int size);
void green_slab_put(struct green_slot *slot);
void green_slabs_exit(void);

/* segment.c */
int green_segment_begin(struct green *t, size_t need);
/* The frames below @addr, which lies on the stack, are given up. */
void green_segments_drop(struct green *t, uintptr_t addr);
void green_segments_free(struct green *t);
/* All that it keeps of segments that it has left. */
void green_segments_give_back(struct green *t);
bool green_range_of(const struct green *t, uintptr_t addr, uintptr_t *lo, uintptr_t *hi);
bool green_on_stack(const struct green *t, uintptr_t addr);
/*
 * Is @ret where the first function of a segment returns to? The next frame says
 * where it came from.
 */
static inline bool green_is_join(const void *ret)
{
	return ret == green_segment_leave || ret == green_segment_leave_far;
}
size_t green_stack_bytes(const struct green *t);

/* What the public calls do, on the worker's stack. */
#define CALL(returns, name, parameters, ...) returns rt_##name parameters;
#define INNER CALL
#include <green/calls.def>
void rt_stack_grow(uint64_t need, uint64_t taken);
void rt_thread_exit(int ret);

/* depth.c */
void green_depth_start(struct green *t);	/* its first stack is set */
/* That of @slot, if the return address @ret is to lie at @top in it, too. */
uintptr_t green_depth_of_segment(const struct green *t, uintptr_t ret,
				 const struct green_slot *slot, uintptr_t top);

/* shrink.c */
void green_shrink_some(unsigned int n);
/* A worker goes to rest: the same; when it is to come again, or 0. */
uint64_t green_shrink_rest(unsigned int n);

/* calibrate.c */
/* From how many bytes on the backend's move is faster than a copy. */
size_t green_calibrate(void);

/* prove.c */
struct green_proof;
/* 0, -EBUSY with @why filled, or -ENOMEM. On 0 the bitmap of @p is filled. */
int green_prove(struct green *t, struct green_proof *p,
		struct green_nomove *why);
void green_proof_free(struct green_proof *p);

/*
 * The words of a stack that a move must adjust, as a bitmap over [base, hi).
 */
struct green_proof {
	uintptr_t lo;			/* the stack's range, for values */
	uintptr_t base;			/* of the first page with anything live, or lo */
	uintptr_t sp;
	uintptr_t secured;		/* from here on it is what live frames may rely on */
	uintptr_t hi;
	uint64_t *bits;
	uint64_t *chain;		/* with skip=N: those that proofs go along; else NULL */
	size_t nr;			/* bits set */
	size_t nr_chain;		/* ... of words that proofs go along */
	uint64_t **older;		/* words in older segments */
	size_t nr_older, max_older;
};

static inline void green_proof_set(struct green_proof *p, uintptr_t addr)
{
	size_t i = (addr - p->base) / 8;
	uint64_t bit = 1ULL << i % 64;

	if (p->bits[i / 64] & bit)
		return;
	p->bits[i / 64] |= bit;
	p->nr++;
}

/*
 * A word that leads to the next frame or record: one that the runtime itself knows
 * of, and not from a map. Left out, no later proof would get past it.
 */
static inline void green_proof_set_chain(struct green_proof *p, uintptr_t addr)
{
	size_t i = (addr - p->base) / 8, before = p->nr;

	green_proof_set(p, addr);
	p->nr_chain += p->nr - before;
	if (p->chain)
		p->chain[i / 64] |= 1ULL << i % 64;
}

/* defer.c */
bool green_word_in_record(struct green *t, uintptr_t addr);
int green_prove_defers(struct green *t, struct green_proof *p,
		       struct green_nomove *why);
void green_adjust_defers(struct green *t, uintptr_t lo, uintptr_t hi, long delta);
void green_defers_free(struct green *t);
/* Take the newest record off the chain, into t->call. */
struct green_defer *green_defer_take(struct green *t);

/* exit.c */
/*
 * Called where a thread is about to wait, or has been kept from it: true if it
 * is cancelled. When its runtime call returns, it goes on in green_exit().
 */
bool green_cancel_point(struct green *t);
/* What green_join() says of a thread that has ended. */
int green_exit_status(const struct green *t);

/* escape.c */
/* @t is about to run on @w. */
void green_escape_switch(struct green_worker *w, const struct green *t);
void green_escapes_free(struct green *t);
/* Forget pins in frames that are gone. */
void green_escape_prune(struct green *t);
/* Is the address of something in [lo, hi) kept outside the stack? */
bool green_escape_in(const struct green *t, uintptr_t lo, uintptr_t hi);

/* panic.c */
void green_panics_free(struct green *t);
/* ... those that somebody below @sp raised, and the tries that are there. */
void green_panics_leave(struct green *t, uintptr_t sp);
void green_panics_adjust(struct green *t, uintptr_t lo, uintptr_t hi, long delta);

/* leave.c */
/* By the OS thread that @w is. 0, or -EOPNOTSUPP: this C library's jmp_buf is unknown. */
int green_leave_init(struct green_worker *w);

/* nomove.c */
/* Fills @why; -EBUSY. @pc: a function, or a return address. */
int green_refuse(struct green_nomove *why, enum green_nomove_reason reason,
		 const void *pc);
void green_refusals_clear(void);
/* Returns the kind, for others of the same. */
unsigned int green_count_refusal(const struct green_nomove *why);
void green_count_refused_again(unsigned int kind);
void green_count_refusal_at(enum green_nomove_reason reason, const void *pc);

/* move.c */
/*
 * @size: of the new slot, 0: as the old; more if live frames have secured more, but not
 * as much as the old one has if that is not what was asked for: -ENOSPC. A refusal is not
 * counted.
 */
int green_try_move(struct green *t, size_t size, struct green_nomove *why);
int green_move(struct green *t, size_t size,
	       struct green_nomove *why);
void green_after(struct green_worker *w);

/* uring.c */
int green_uring_init(void);
void green_uring_exit(void);
/* Ends all that is in flight, and waits for that. */
void green_uring_drain(void);
/* Submit, then reap; waits until @until (0: for ever) if @wait. */
void green_uring_poll(bool wait, uint64_t until);
bool green_uring_busy(void);
void green_uring_flush(void);
void green_uring_kick(void);
/* Have the kernel do the call of @t, which is parked. */
void green_uring_start(struct green *t);
void green_uring_cancel(struct green *t);

/* In a child: not the parent's ring any more. */
void green_uring_forked(void);
/* Make sure that there is a ring. */
int green_uring_open(void);

/* io.c */
/* The call of @t, which is parked, returns @ret. */
void green_io_end(struct green *t, long ret);

/* file.c */
int green_files_init(void);
void green_files_exit(void);
void green_files_forked(void);
/* From a call's begin to its end. */
void green_file_enter(struct green *t);
void green_file_leave(struct green *t);
/* Is a green_close() of @fd on its way? */
bool green_file_closes(int fd);
/* Ends the calls that use it. */
void green_file_cancel(int fd);
/* Has one other than @t not ended yet? */
bool green_file_shared(const struct green *t);
/* May @t use the position of the file that its io names? If not, it is begun later. */
bool green_turn_take(struct green *t);
void green_turn_leave(struct green *t);

/* fork.c */
int green_fork_init(void);
void green_fork_end(void);
/* May the caller, a green thread, call green_run()? */
bool green_fork_may_run(void);
int green_fork_run(int (*run)(const struct green_options *, int (*)(void *), void *),
		   const struct green_options *opt, int (*main_fn)(void *), void *arg);

/* sigpipe.c */
void green_sigpipe_init(void);
/* As sigaction() of SIGPIPE, for the program. */
int green_sigpipe_action(const struct sigaction *new, struct sigaction *old);
void green_sigpipe_exit(void);

/* ptrmap.c */
int green_maps_init(void);
int green_names_init(void);	/* names.c; behind it */
/* By an address inside the function. */
bool green_map_find(const void *pc, struct green_map *m);
/* GREEN_MAP_* and GREEN_MAPPED of the function that @pc lies in; 0 without a map. */
#define GREEN_MAPPED (1u << 31)
uint32_t green_map_flags(const void *pc);
/* ... of the one that begins at @func. */
uint32_t green_map_flags_of(const void *func);
unsigned int green_map_arg(const struct green_map *m, unsigned int i);
/*
 * By a return address; *@site is good until the next question. -ENOENT if the
 * function has no map, -ENOMEM.
 */
int green_map_site(const void *ret,
		   const struct green_site **site);
void green_sites_free(void);

/* symbol.c */
bool green_is_code(const void *pc);
void green_symbol(const void *pc, char *buf, size_t n);

/* fault.c */
void green_fault_init(void);
void green_fault_exit(void);
bool green_is_fault(int sig);
int green_fault_action(int sig, const struct sigaction *new, struct sigaction *old);
_Noreturn void green_die(const struct green *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* fail.c */
/* Returns @err, and has green_run() say why: a line without its end. */
int green_fail(int err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void green_fail_begin(void);
void green_fail_end(bool quiet);
/* A line on stderr, if it has not been @said yet. */
void green_complain(bool *said, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* signal.c */
void green_signals_init(void);
void green_signals_exit(void);
/* For handlers that came by another way than sigaction(); while green_run() runs. */
void green_signals_look(void);
/* The C library's. */
int green_sigaction(int sig, const struct sigaction *new, struct sigaction *old);
/* The stacks of all workers; each OS thread then takes its own. */
int green_signal_stacks_init(void);
void green_signal_stacks_exit(void);
bool green_in_signal_gap(const struct green_worker *w, uintptr_t addr);
void green_signal_stack(struct green_worker *w);
void green_signal_stack_exit(struct green_worker *w);

/* debug.c */
int green_debug_parse(struct green_debug *d, const char *s);
static inline bool green_traces(unsigned int level)
{
	return green_rt.debug.trace >= level;
}
void green_trace_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
#define green_trace(level, ...)						\
	do {								\
		if (green_traces(level))				\
			green_trace_line(__VA_ARGS__);			\
	} while (0)

static_assert(offsetof(struct green, sp) == T_SP, "enter.S");
static_assert(offsetof(struct green, ret) == T_RET, "enter.S");
static_assert(offsetof(struct green, limit) == T_LIMIT, "enter.S");
static_assert(offsetof(struct green, lo) == T_LO, "enter.S");
static_assert(offsetof(struct green, hi) == T_HI, "enter.S");
static_assert(offsetof(struct green, try) == T_TRY, "enter.S");
static_assert(offsetof(struct green, panics) == T_PANICS, "enter.S");
static_assert(offsetof(struct green, slot) == T_SLOT, "enter.S");
static_assert(offsetof(struct green, segment) == T_SEGMENT, "enter.S");
static_assert(offsetof(struct green, spare) == T_SPARE, "enter.S");
static_assert(offsetof(struct green_slot, next) == SLOT_NEXT, "enter.S");
static_assert(offsetof(struct green_segment, sp) == S_SP, "enter.S");
static_assert(offsetof(struct green_segment, slot) == S_SLOT, "enter.S");
static_assert(offsetof(struct green_segment, outer) == S_OUTER, "enter.S");
static_assert(offsetof(struct green_segment, rbp) == S_RBP, "enter.S");
static_assert(sizeof(struct green_segment) % 16 == 0, "enter.S");
static_assert(offsetof(struct green_worker, sp) == W_SP, "enter.S");
static_assert(offsetof(struct green_worker, current) == W_CURRENT, "enter.S");
static_assert(offsetof(struct green_worker, after) == W_AFTER, "enter.S");
static_assert(offsetof(struct green_worker, os_sp) == W_OS_SP, "enter.S");
static_assert(offsetof(struct green_worker, running) == W_RUNNING, "enter.S");
static_assert(offsetof(struct green_worker, frames) == W_FRAMES, "enter.S");
static_assert(sizeof(struct green_saved) == SAVED_SIZE, "enter.S");
static_assert(sizeof(struct green_entry) == ENTRY_SIZE, "enter.S");
static_assert(offsetof(struct green_entry, flags) == ENTRY_FLAGS, "enter.S");
static_assert(sizeof(struct green_try) == SAVED_SIZE + 16, "enter.S");
static_assert(offsetof(struct green_defer, fn) == D_FN, "enter.S");
static_assert(offsetof(struct green_defer, flags) == D_FLAGS, "enter.S");
static_assert(offsetof(struct green_defer, args) == D_ARGS, "enter.S");
static_assert(offsetof(struct green_scope, pending) == 0, "enter.S");

#endif /* !__ASSEMBLER__ */
#endif /* GREEN_INTERNAL_H */
