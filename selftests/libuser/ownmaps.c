// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The worked example of docs/own-maps.md: a toy code generator that brings its
 * own maps. Its code keeps the address of a local over a call in which the
 * stack moves.
 */
#include <green.h>
#include <green_ptrmap.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alone.h"
#include "kselftest_harness.h"

/* ---- the code generator (60 lines) ------------------------------------ */

/*
 * long f(long x, void (*call)(void))
 * {
 *	long *p = &x;
 *	call();
 *	return *p + 1;
 * }
 */
static const unsigned char template[] = {
	0x55,				/* push %rbp */
	0x48, 0x89, 0xe5,		/* mov %rsp, %rbp */
	0x48, 0x83, 0xec, 0x20,		/* sub $32, %rsp */
	0x48, 0x89, 0x7d, 0xf8,		/* mov %rdi, -8(%rbp)	x */
	0x48, 0x8d, 0x45, 0xf8,		/* lea -8(%rbp), %rax	&x */
	0x48, 0x89, 0x45, 0xf0,		/* mov %rax, -16(%rbp)	p */
	0xff, 0xd6,			/* call *%rsi */
	0x48, 0x8b, 0x45, 0xf0,		/* mov -16(%rbp), %rax	(the safepoint) */
	0x48, 0x8b, 0x00,		/* mov (%rax), %rax */
	0x48, 0xff, 0xc0,		/* inc %rax */
	0xc9, 0xc3,			/* leave; ret */
};

#define AFTER_CALL 22			/* offset of the return address */

/* The code, its name and its map lie together, for they are addressed relatively. */
struct unit {
	unsigned char code[64];
	char name[16];
	struct {
		struct green_map_func func;
		uint32_t args;			/* kinds, a byte each */
		struct green_map_safepoint call;
		int32_t slot[1];
	} map;
};

static struct unit *generate(unsigned int nr_slots)
{
	struct unit *u = mmap(NULL, sizeof(*u), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (u == MAP_FAILED)
		return NULL;
	memcpy(u->code, template, sizeof(template));
	strcpy(u->name, "generated");
	u->map.func = (struct green_map_func){
		.size = sizeof(u->map) - 4 * (1 - nr_slots),
		.version = GREEN_MAP_VERSION,
		.func = (char *)u->code - (char *)&u->map.func.func,
		.code_size = sizeof(template),
		.name = u->name - (char *)&u->map.func.name,
		.flags = GREEN_MAP_VERIFIED | GREEN_MAP_ARGS | GREEN_MAP_LOCALS,
		.nr_args = 2,
		.nr_safepoints = 1,
	};
	u->map.args = GREEN_ARG_SCALAR | GREEN_ARG_POINTER << 8;
	u->map.call.offset = AFTER_CALL;
	u->map.call.nr_slots = nr_slots;
	u->map.slot[0] = 16;		/* p, from rsp at the call: -16 + 32 */
	if (mprotect(u, sizeof(*u), PROT_READ | PROT_EXEC))
		return NULL;
	return u;
}

/* ---- and its use ------------------------------------------------------ */

static long (*generated)(long x, void (*call)(void));
static long result, moved;

static void move(void)
{
	moved += !green_stack_move(green_self(), 0, NULL);
}

static void thread(void *arg)
{
	result = generated(41, move);
}

static int start(void *arg)
{
	return green_join(green_go(thread, NULL));
}

static int run_with(unsigned int nr_slots, bool registered)
{
	struct unit *u = generate(nr_slots);
	struct green_ptrmap_set set;
	int err = 0;

	if (!u)
		return -1;
	set.start = &u->map;
	set.end = (char *)&u->map + u->map.func.size;
	if (registered)
		err = green_ptrmap_register(&set);
	generated = (long (*)(long, void (*)(void)))u->code;
	result = moved = 0;
	if (!err)
		err = green_run(&alone, start, NULL);
	if (registered)
		green_ptrmap_unregister(&set);
	munmap(u, sizeof(*u));
	return err;
}

TEST(generated_code_moves_by_its_own_map)
{
	EXPECT_EQ(0, run_with(1, true));
	EXPECT_EQ(1, moved);
	EXPECT_EQ(42, result);
}

TEST(without_a_map_it_stays)
{
	EXPECT_EQ(0, run_with(1, false));
	EXPECT_EQ(0, moved);
	EXPECT_EQ(42, result);
}

/* What a wrong map does: the old stack is gone, so the missed word is fatal. */
TEST(a_map_that_misses_a_word_is_noticed)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		setenv("GREEN_DEBUG", "seal", 1);
		run_with(0, true);
		_exit(0);
	}
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST_HARNESS_MAIN
