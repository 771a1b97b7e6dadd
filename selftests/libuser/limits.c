// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Where a machine allows less: address space, mappings, locked memory. And the words. */
#define _GNU_SOURCE
#include <errno.h>
#include <green.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "alone.h"
#include "child.h"
#include "foreign.h"
#include "kselftest_harness.h"

static long status_kb(const char *name)
{
	FILE *f = fopen("/proc/self/status", "r");
	char line[200], format[40];
	long kb = -1;

	snprintf(format, sizeof(format), "%s: %%ld", name);
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, format, &kb) == 1)
			break;
	if (f)
		fclose(f);
	return kb;
}

static int limit(int what, rlim_t n)
{
	return setrlimit(what, &(struct rlimit){ n, n });
}

static void nothing(void *arg)
{
}

/* Some that grow, some that are foreign. */
static long __attribute__((noinline)) deep(int n)
{
	volatile long room[100];

	room[n % 100] = n;
	return n ? deep(n - 1) + room[n % 100] : 0;
}

static void works(void *arg)
{
	deep(200);
	foreign_takes(10000);
	green_yield();
}

static int some_threads(void *arg)
{
	green_t *t[50];

	for (int i = 0; i < 50; i++) {
		t[i] = green_go(i % 2 ? works : nothing, NULL);
		if (!t[i])
			return 2;
	}
	for (int i = 0; i < 50; i++)
		if (green_join(t[i]))
			return 3;
	return 0;
}

/* ---- address space ---------------------------------------------------------- */

static int with_address_space(void *mb)
{
	if (limit(RLIMIT_AS, *(size_t *)mb << 20))
		return 9;
	return green_run(&alone, some_threads, NULL) ? 1 : 0;
}

TEST(a_smaller_arena_is_taken)
{
	for (size_t mb = 100000; mb > 200; mb /= 3) {
		EXPECT_EQ(0, child(with_address_space, &mb)) {
			TH_LOG("%zu MiB: %s", mb, said);
		}
		EXPECT_STREQ("", said);
	}
}

static int memory_is_left(void *arg)
{
	void *p = malloc(150 << 20);

	if (!p)
		return 4;
	free(p);
	return some_threads(NULL);
}

static int half_is_left(void *arg)
{
	if (limit(RLIMIT_AS, 600 << 20))
		return 9;
	return green_run(&alone, memory_is_left, NULL);
}

TEST(the_program_has_its_share)
{
	EXPECT_EQ(0, child(half_is_left, NULL));
}

static int what_is_asked_for(void *arg)
{
	struct green_options opt = { .workers = 1, .arena_size = (size_t)4 << 30 };
	const char *why;

	if (limit(RLIMIT_AS, 1 << 30))
		return 9;
	if (green_run(&opt, some_threads, NULL) != -ENOMEM)
		return 1;
	why = green_run_error();
	return !why || !strstr(why, "arena: 4096 MiB") || !strstr(why, "RLIMIT_AS (ulimit -v) is 1024 MiB");
}

TEST(no_less_than_asked_for)
{
	EXPECT_EQ(0, child(what_is_asked_for, NULL));
	EXPECT_NE(NULL, strstr(said, "green: green_run() failed: arena: 4096 MiB of address space "
				     "(green_options.arena_size) were refused: "));
}

/* ---- options, and words for each failure ---------------------------------- */

static int fails(const struct green_options *opt, int err, const char *word)
{
	struct green_options quiet = *opt;
	const char *why;

	quiet.quiet = 1;
	if (green_run(&quiet, some_threads, NULL) != err)
		return 0;
	why = green_run_error();
	return why && strstr(why, word) && !strchr(why, '\n');
}

#define MB (1 << 20)
#define LEAST (4 * MB + 2 * (256 << 10) + 2 * (512 << 10))

TEST(options_that_cannot_be)
{
	EXPECT_TRUE(fails(&(struct green_options){ .workers = 1, .arena_size = 4096 }, -EINVAL,
			  "arena_size: 4096 bytes are less than 5767168"));
	EXPECT_TRUE(fails(&(struct green_options){ .workers = 1, .arena_size = LEAST - 1 }, -EINVAL, "arena_size"));
	EXPECT_TRUE(fails(&(struct green_options){ .arena_size = LEAST, .workers = 2 }, -EINVAL,
			  "arena_size"));
	EXPECT_TRUE(fails(&(struct green_options){ .workers = 1, .arena_size = 1 }, -EINVAL, "arena_size"));
	EXPECT_TRUE(fails(&(struct green_options){ .workers = 65 }, -EINVAL, "workers: 65"));
	EXPECT_TRUE(fails(&(struct green_options){ .max_stack = (size_t)3 << 30 }, -EINVAL,
			  "max_stack"));
	EXPECT_TRUE(fails(&(struct green_options){ .stack_size = 32 * MB }, -EINVAL, "stack_size"));
	EXPECT_TRUE(fails(&(struct green_options){ .workers = 1, .max_stack = 4096 }, -EINVAL,
			  "no stack for the first thread: max_stack is 4096"));
	EXPECT_TRUE(fails(&(struct green_options){ .gap = SIZE_MAX }, -EINVAL, "gap"));
	setenv("GREEN_DEBUG", "moove", 1);
	EXPECT_TRUE(fails(&(struct green_options){ 0 }, -EINVAL, "GREEN_DEBUG: unknown word \"moove\""));
	unsetenv("GREEN_DEBUG");
}

static int returns_seven(void *arg)
{
	return 7;
}

TEST(the_least_arena_is_enough)
{
	struct green_options opt = { .workers = 1, .arena_size = LEAST };

	EXPECT_EQ(7, green_run(&opt, returns_seven, NULL));
	EXPECT_EQ(NULL, green_run_error());
}

static int inside(void *arg)
{
	struct green_options opt = { .workers = 1, .quiet = 1 };

	return green_run(&opt, returns_seven, NULL) == -EBUSY &&
	       strstr(green_run_error(), "it runs already") ? 0 : 1;
}

static int returns_eagain(void *arg)
{
	return -EAGAIN;
}

TEST(inside_itself)
{
	EXPECT_EQ(0, green_run(&alone, inside, NULL));
	/* What the program returns is not a failure of ours. */
	EXPECT_EQ(-EAGAIN, green_run(&alone, returns_eagain, NULL));
	EXPECT_EQ(NULL, green_run_error());
}

static int without_uring(void *quiet)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, code };
	struct green_options opt = { .workers = 1, .quiet = *(int *)quiet };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return 9;
	return green_run(&opt, returns_seven, NULL) == -EPERM ? 0 : 1;
}

/* A container's filter, say. */
TEST(no_io_uring)
{
	EXPECT_EQ(0, child(without_uring, &(int){ 0 }));
	EXPECT_NE(NULL, strstr(said, "green: green_run() failed: io_uring_setup: "));
	EXPECT_NE(NULL, strstr(said, "seccomp"));
	EXPECT_EQ(0, child(without_uring, &(int){ 1 }));
	EXPECT_STREQ("", said);
}

static int without_os_threads(void *arg)
{
	struct green_options opt = { .workers = 3 };

	/* root is not limited. */
	if ((!getuid() && setresuid(65534, 65534, 65534)) || limit(RLIMIT_NPROC, 1))
		return 9;
	return green_run(&opt, returns_seven, NULL) == -EAGAIN ? 0 : 1;
}

TEST(no_os_threads)
{
	EXPECT_EQ(0, child(without_os_threads, NULL));
	EXPECT_NE(NULL, strstr(said, "green: green_run() failed: OS threads of workers: "));
}

/* ---- mlockall() ------------------------------------------------------------- */

#define SOME_GIGABYTE ((size_t)2 << 30)
#define MOST_KB (300 << 10)

static int locks_inside(void *flags)
{
	green_t *t = green_go(works, NULL);

	if (mlockall(*(int *)flags))
		return 8;
	if (green_join(t) || some_threads(NULL))
		return 2;
	return status_kb("VmRSS") > MOST_KB || status_kb("VmLck") > MOST_KB ? 5 : 0;
}

static int locks_before(void *flags)
{
	struct green_options opt = { .workers = 1, .arena_size = SOME_GIGABYTE };
	int none = MCL_FUTURE;
	int ret;

	if (mlockall(*(int *)flags))
		return 8;
	ret = green_run(&opt, locks_inside, &none);
	return ret ?: status_kb("VmRSS") > MOST_KB ? 6 : 0;
}

static int locks_only_inside(void *flags)
{
	struct green_options opt = { .workers = 1, .arena_size = SOME_GIGABYTE };

	return green_run(&opt, locks_inside, flags);
}

/* RLIMIT_MEMLOCK counts for others than root, and the arena is of the default size. */
static int locks_little(void *flags)
{
	if (!getuid() && setresuid(65534, 65534, 65534))
		return 9;
	if (limit(RLIMIT_MEMLOCK, 8 << 20) || mlockall(*(int *)flags))
		return 8;
	return green_run(&alone, some_threads, NULL);
}

TEST(mlockall_populates_no_arena)
{
	static const char *const debug[] = { "trace=0", "mappings" };
	int flags[] = {
		MCL_CURRENT, MCL_FUTURE, MCL_CURRENT | MCL_FUTURE,
		MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT,
	};

	for (int i = 0; i < 8; i++) {
		int *f = &flags[i % 4];

		setenv("GREEN_DEBUG", debug[i / 4], 1);
		EXPECT_EQ(0, child(locks_before, f)) {
			TH_LOG("flags %d, %s: %s", *f, debug[i / 4], said);
		}
		EXPECT_EQ(0, child(locks_only_inside, f)) {
			TH_LOG("inside, flags %d, %s: %s", *f, debug[i / 4], said);
		}
	}
	unsetenv("GREEN_DEBUG");
	EXPECT_EQ(0, child(locks_little, &flags[1])) {
		TH_LOG("%s", said);
	}
}

/* ---- mappings -------------------------------------------------------------- */

static void waits(void *arg)
{
	while (!*(volatile int *)arg)
		green_yield();
}

static int many(void *stack_size)
{
	struct green_attr attr = { .stack_size = *(size_t *)stack_size };
	static int over;
	int n = 0;
	green_t *t;

	while (n < 20000 && (t = green_go_opt(&attr, waits, &over))) {
		green_detach(t);
		n++;
	}
	over = 1;
	/* Once some have ended others can begin. */
	for (int i = 0; i < 3; i++)
		green_yield();
	t = green_go_opt(&attr, nothing, NULL);
	if (!t || green_join(t))
		return 3;
	return n == 20000 ? 0 : 1;
}

/* All but some thousand of the mappings that a process may have. */
static int with_few_mappings(void *stack_size)
{
	long most = 0, page = 4096;
	FILE *f = fopen("/proc/sys/vm/max_map_count", "r");
	char *p;

	if (!f || fscanf(f, "%ld", &most) != 1 || most > 200000)
		return 9;
	fclose(f);
	most -= 5000;
	p = mmap(NULL, most * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	for (long i = 0; i < most; i += 2)
		if (mprotect(p + i * page, page, PROT_READ))
			return 9;
	setenv("GREEN_DEBUG", "mappings", 1);
	return green_run(&alone, many, stack_size);
}

TEST(few_mappings)
{
	int status = child(with_few_mappings, &(size_t){ 16 << 10 });

	if (status == 9 << 8)
		SKIP(return, "vm.max_map_count is large here");
	/* Some do not start, and it says what helps; once. */
	EXPECT_EQ(1 << 8, status);
	EXPECT_NE(NULL, strstr(said, "vm.max_map_count (sysctl)"));
	EXPECT_EQ(strchr(said, '\n'), strrchr(said, '\n'));
	/* Packed stacks take none. */
	EXPECT_EQ(0, child(with_few_mappings, &(size_t){ 8 << 10 })) {
		TH_LOG("%s", said);
	}
}

static int full(void *arg)
{
	struct green_options opt = { .workers = 1, .arena_size = 16 * MB };
	size_t stack = 64 << 10;

	return green_run(&opt, many, &stack);
}

TEST(a_full_arena)
{
	EXPECT_EQ(1 << 8, child(full, NULL));
	EXPECT_NE(NULL, strstr(said, "the arena of 16 MiB is full (green_options.arena_size)"));
}

TEST_HARNESS_MAIN
