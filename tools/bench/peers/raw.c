// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What a switch costs by itself: threads in a ring that save the registers which a
 * function must keep, load the next one's, and return there. No scheduler, no I/O, no
 * growth: a limit, not a peer. The arguments are those of green/.
 */
#include <sys/mman.h>

#include "../bench.h"

#define STACK 4096

struct thread {
	void *sp;
	struct thread *next, *previous;
	void (*fn)(long arg);
	long arg;
};

void raw_switch(void **save, void *sp);
void raw_start(void);

__asm__(".text\n"
	"raw_switch:\n\t"
	"push %rbp\n\tpush %rbx\n\tpush %r12\n\tpush %r13\n\tpush %r14\n\tpush %r15\n\t"
	"mov %rsp, (%rdi)\n\tmov %rsi, %rsp\n\t"
	"pop %r15\n\tpop %r14\n\tpop %r13\n\tpop %r12\n\tpop %rbx\n\tpop %rbp\n\t"
	"ret\n"
	"raw_start:\n\t"
	"call raw_first\n\tud2\n");

/* The ring of those that run, and outside of it the process's own thread. */
static struct thread *current, *last;
static void *outside;

static void yield(void)
{
	struct thread *from = current;

	current = from->next;
	raw_switch(&from->sp, current->sp);
}

void raw_first(void);
void __attribute__((used)) raw_first(void)
{
	struct thread *t = current;

	t->fn(t->arg);
	current = t->next;
	t->previous->next = t->next;
	t->next->previous = t->previous;
	raw_switch(&t->sp, current == t ? outside : current->sp);
}

/* Behind all that there are; its memory is the caller's. */
static void go(struct thread *t, char *stack, size_t size, void (*fn)(long), long arg)
{
	void **sp = (void **)(stack + size);

	*--sp = NULL;
	*--sp = (void *)raw_start;
	*t = (struct thread){ sp - 6, t, t, fn, arg };
	if (last) {
		t->next = last->next;
		t->previous = last;
		last->next->previous = t;
		last->next = t;
	}
	last = t;
}

static void run_all(void)
{
	current = last->next;
	last = NULL;
	raw_switch(&outside, current->sp);
}

/* The stacks of @threads, touched nowhere. */
static char *stacks(long threads, size_t size)
{
	void *p = mmap(NULL, (size_t)threads * size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	return p;
}

static struct {
	long frames, turns;
	uint64_t ns;
} run;

static void __attribute__((noinline)) yields(long frames)
{
	if (frames > 1)
		yields(frames - 1);
	else
		yield();
	__asm__ volatile("");
}

static void takes_turns(long nr)
{
	uint64_t t0;
	long i;

	for (i = 0; i < 3; i++)
		yields(run.frames);
	t0 = nr ? 0 : cpu_ns();
	for (i = 0; i < run.turns; i++)
		yields(run.frames);
	if (!nr)
		run.ns = cpu_ns() - t0;
}

static int bench_yield(const long *arg)
{
	const size_t size = arg[3] ? (size_t)arg[3] : STACK;
	struct thread *t = calloc((size_t)arg[0], sizeof(*t));
	char *memory = stacks(arg[0], size);

	run.frames = arg[1];
	run.turns = arg[2] / arg[0] + 1;
	for (long i = 0; i < arg[0]; i++)
		go(&t[i], memory + (size_t)i * size, size, takes_turns, i);
	run_all();
	figure("ns", (double)run.ns / (double)(run.turns * arg[0]));
	return 0;
}

static void nothing(long nr)
{
	(void)nr;
}

static void yields_once(long nr)
{
	yield();
	(void)nr;
}

static int bench_spawn(const long *arg)
{
	char *stack = stacks(1, STACK);
	struct thread t;
	uint64_t t0 = cpu_ns();

	for (long i = 0; i < arg[0]; i++) {
		go(&t, stack, STACK, nothing, i);
		run_all();
	}
	figure("ns", (double)(cpu_ns() - t0) / (double)arg[0]);
	return 0;
}

static int bench_alive(const long *arg)
{
	struct thread *t = calloc((size_t)arg[0], sizeof(*t));
	char *memory = stacks(arg[0], STACK);

	for (long burst = 0; burst < arg[1]; burst++) {
		uint64_t t0 = cpu_ns();

		for (long i = 0; i < arg[0]; i++)
			go(&t[i], memory + (size_t)i * STACK, STACK, yields_once, i);
		run_all();
		figure("ns", (double)(cpu_ns() - t0) / (double)arg[0]);
	}
	return 0;
}

/* turn TURNS: the time of one of green/foreign.c's compute(). */
static int bench_turn(const long *arg)
{
	uint64_t x = 1, t0 = cpu_ns();

	for (long i = 0; i < arg[0]; i++) {
		x = x * 6364136223846793005u + 1;
		__asm__ volatile("" : "+r"(x));
	}
	figure("ns", (double)(cpu_ns() - t0) / (double)arg[0]);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct bench benches[] = {
		{ "yield", bench_yield },
		{ "spawn", bench_spawn },
		{ "alive", bench_alive },
		{ "turn", bench_turn },
		{ NULL, NULL }
	};

	return bench_main(benches, argc, argv);
}
