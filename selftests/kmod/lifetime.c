// SPDX-License-Identifier: GPL-2.0
/*
 * Whose arena it is, and that its pages go when it does: by munmap(), close(),
 * exit, SIGKILL; with fork(), and with the file passed to another process.
 */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <ucontext.h>

#include <kselftest_harness.h>

#include "kmod_test.h"

#define ARENA_PAGES	4096	/* 16 MiB */
#define LONG		120	/* seconds that the slowest machine may need */

FIXTURE(lifetime)
{
	int fd;
	char *mem;
};

FIXTURE_SETUP(lifetime)
{
	OPEN_OR_SKIP(self->fd);
	self->mem = arena_map(self->fd, ARENA_PAGES);
	ASSERT_NE(MAP_FAILED, self->mem);
}

FIXTURE_TEARDOWN(lifetime)
{
	munmap(self->mem, ARENA_PAGES * PAGE);
	close(self->fd);
}

static size_t meminfo_kib(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "r");
	char line[128];
	size_t kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			kib = strtoul(line + strlen(name), NULL, 10);
	if (f)
		fclose(f);
	return kib;
}

/* A line of fdinfo, by its name with the colon. */
static long fdinfo(int fd, const char *name)
{
	char path[64], line[128];
	long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, strlen(name)))
			value = strtol(line + strlen(name), NULL, 0);
	if (f)
		fclose(f);
	return value;
}

/* How the child ended: its exit status, or 128 and its signal. */
static int reap(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) :
				   128 + WTERMSIG(status);
}

/* The errno of each call by a process the arena is not mapped in. */
static bool all_calls_eperm(int fd, char *mem)
{
	struct green_query q = { .size = sizeof(q) };
	struct green_context c = { .rip = 4096, .rsp = 4096 };
	struct green_switch sw = {
		.size = sizeof(sw),
		.save = (uintptr_t)&c,
		.load = (uintptr_t)&c,
	};

	if (ioctl(fd, GREEN_IOC_QUERY, &q) != -1 || errno != EPERM)
		return false;
	if (ioctl(fd, GREEN_IOC_SWITCH, &sw) != -1 || errno != EPERM)
		return false;
	if (move_pages(fd, mem, mem + PAGE, 1) != -1 || errno != EPERM)
		return false;
	if (release(fd, mem, 1, 0) != -1 || errno != EPERM)
		return false;
	return true;
}

TEST_F(lifetime, contexts_are_apart)
{
	int fd = device_open();
	char *mem;

	ASSERT_LE(0, fd);
	mem = arena_map(fd, 16);
	ASSERT_NE(MAP_FAILED, mem);
	pattern_fill(self->mem, 16 * PAGE, 1);
	EXPECT_TRUE(all_zero(mem, 16 * PAGE));
	pattern_fill(mem, 16 * PAGE, 2);
	EXPECT_TRUE(pattern_holds(self->mem, 16 * PAGE, 1));

	/* Nor does one move pages of, or into, the other. */
	EXPECT_EQ(-1, move_pages(fd, self->mem, mem, 1));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, move_pages(fd, mem, self->mem + 100 * PAGE, 1));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, release(fd, self->mem, 1, 0));
	EXPECT_EQ(ENXIO, errno);

	close(fd);
	munmap(mem, 16 * PAGE);
	EXPECT_TRUE(pattern_holds(self->mem, 16 * PAGE, 1));
	EXPECT_EQ(16, query(self->fd).pages);
}

TEST_F(lifetime, fdinfo)
{
	EXPECT_EQ((long)self->mem, fdinfo(self->fd, "arena-addr:"));
	EXPECT_EQ(ARENA_PAGES * PAGE, fdinfo(self->fd, "arena-len:"));
	self->mem[0] = 1;
	self->mem[PAGE] = 1;
	ASSERT_EQ(0, move_pages(self->fd, self->mem, self->mem + 8 * PAGE, 1));
	ASSERT_EQ(0, release(self->fd, self->mem, 2, 0));
	EXPECT_EQ(1, fdinfo(self->fd, "populated:"));
	EXPECT_EQ(2, fdinfo(self->fd, "faults:"));
	EXPECT_EQ(1, fdinfo(self->fd, "moves:"));
	EXPECT_EQ(1, fdinfo(self->fd, "releases:"));
	ASSERT_EQ(0, munmap(self->mem, ARENA_PAGES * PAGE));
	EXPECT_EQ(0, fdinfo(self->fd, "arena-addr:"));
	EXPECT_EQ(0, fdinfo(self->fd, "arena-len:"));
	EXPECT_EQ(0, fdinfo(self->fd, "populated:"));
	EXPECT_EQ(1, fdinfo(self->fd, "moves:"));
}

TEST_F(lifetime, fork)
{
	pid_t pid;

	pattern_fill(self->mem, 4 * PAGE, 3);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		unsigned char vec;

		if (!all_calls_eperm(self->fd, self->mem))
			_exit(1);
		/* No mapping there, and no second arena either. */
		if (mincore(self->mem, PAGE, &vec) != -1 || errno != ENOMEM)
			_exit(2);
		if (touch(self->mem) != SIGSEGV)
			_exit(3);
		if (arena_map(self->fd, 1) != MAP_FAILED || errno != EBUSY)
			_exit(4);
		close(self->fd);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_TRUE(pattern_holds(self->mem, 4 * PAGE, 3));
	EXPECT_EQ(0, move_pages(self->fd, self->mem, self->mem + 8 * PAGE, 4));
	EXPECT_TRUE(pattern_holds(self->mem + 8 * PAGE, 4 * PAGE, 3));
}

/* Asked for or not, what a child inherits is not the arena. */
TEST_F(lifetime, fork_with_dofork)
{
	pid_t pid;

	pattern_fill(self->mem, 4 * PAGE, 4);
	ASSERT_EQ(0, madvise(self->mem, ARENA_PAGES * PAGE, MADV_DOFORK));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (touch(self->mem) != SIGSEGV)
			_exit(1);
		if (touch(self->mem + 8 * PAGE) != SIGSEGV)
			_exit(2);
		if (!all_calls_eperm(self->fd, self->mem))
			_exit(3);
		if (munmap(self->mem, ARENA_PAGES * PAGE))
			_exit(4);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(4, query(self->fd).pages);
	EXPECT_TRUE(pattern_holds(self->mem, 4 * PAGE, 4));
	EXPECT_EQ(0, move_pages(self->fd, self->mem, self->mem + 8 * PAGE, 4));
	EXPECT_TRUE(pattern_holds(self->mem + 8 * PAGE, 4 * PAGE, 4));
}

/* ---- fork on a stack that lies in the arena ------------------------------ */

#define STACK_AT	(100 * PAGE)
#define STACK_BYTES	(16 * PAGE)

static struct {
	FIXTURE_DATA(lifetime) *test;
	ucontext_t caller, callee;
	int result;
} on_stack;

/* A child's own memory, as often as it likes; of the rest nothing. */
static int use_own_stack(volatile char *local, int generations)
{
	FIXTURE_DATA(lifetime) *self = on_stack.test;
	pid_t pid;

	if (!pattern_holds((char *)local, 3 * PAGE, 7))
		return 1;
	local[0]++;
	if (touch(self->mem) != SIGSEGV ||
	    touch(self->mem + STACK_AT + STACK_BYTES) != SIGSEGV)
		return 2;
	if (!all_calls_eperm(self->fd, self->mem))
		return 3;
	if (munmap(self->mem, PAGE) != -1 || errno != EINVAL)
		return 4;
	local[0]--;
	if (!generations)
		return 0;
	pid = fork();
	if (!pid)
		_exit(use_own_stack(local, generations - 1));
	return reap(pid);
}

static void fork_on_stack(void)
{
	char local[3 * PAGE];
	pid_t pid;

	pattern_fill(local, sizeof(local), 7);
	pid = fork();
	if (!pid)
		_exit(use_own_stack(local, 2));
	on_stack.result = pid < 0 ? -1 : reap(pid);
	if (!pattern_holds(local, sizeof(local), 7))
		on_stack.result = 99;
}

static int run_on_stack(FIXTURE_DATA(lifetime) *self, void (*fn)(void))
{
	on_stack.test = self;
	on_stack.result = -2;
	getcontext(&on_stack.callee);
	on_stack.callee.uc_stack.ss_sp = self->mem + STACK_AT;
	on_stack.callee.uc_stack.ss_size = STACK_BYTES;
	on_stack.callee.uc_link = &on_stack.caller;
	makecontext(&on_stack.callee, fn, 0);
	swapcontext(&on_stack.caller, &on_stack.callee);
	return on_stack.result;
}

TEST_F(lifetime, fork_on_a_stack_with_dofork)
{
	ASSERT_EQ(0, madvise(self->mem, ARENA_PAGES * PAGE, MADV_DOFORK));
	pattern_fill(self->mem, 4 * PAGE, 4);
	EXPECT_EQ(0, run_on_stack(self, fork_on_stack));
	/* With a sealed page above. */
	self->mem[STACK_AT + STACK_BYTES] = 1;
	ASSERT_EQ(0, release(self->fd, self->mem + STACK_AT + STACK_BYTES, 1,
			     GREEN_RELEASE_SEAL));
	EXPECT_EQ(0, run_on_stack(self, fork_on_stack));
	EXPECT_TRUE(pattern_holds(self->mem, 4 * PAGE, 4));
}

TEST_F(lifetime, fork_on_a_stack_without)
{
	/* The child dies by its first access; the parent does not notice. */
	EXPECT_EQ(128 + SIGSEGV, run_on_stack(self, fork_on_stack));
}

/*
 * Even pages that the parent insists on sharing stay what they were in the
 * child, whatever becomes of the parent's: moved, released, unmapped.
 */
TEST_F(lifetime, fork_with_keeponfork)
{
	int go[2];
	char byte;
	pid_t pid;

	pattern_fill(self->mem, 4 * PAGE, 4);
	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, madvise(self->mem, ARENA_PAGES * PAGE, MADV_DOFORK));
	ASSERT_EQ(0, madvise(self->mem, ARENA_PAGES * PAGE, MADV_KEEPONFORK));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		if (!pattern_holds(self->mem, 4 * PAGE, 4))
			_exit(2);
		if (touch(self->mem + 8 * PAGE) != SIGSEGV)
			_exit(3);
		if (!all_calls_eperm(self->fd, self->mem))
			_exit(4);
		_exit(0);
	}
	EXPECT_EQ(0, move_pages(self->fd, self->mem, self->mem + 8 * PAGE, 4));
	EXPECT_EQ(0, release(self->fd, self->mem + 8 * PAGE, 4, 0));
	EXPECT_EQ(0, query(self->fd).pages);
	self->mem[8 * PAGE] = 1;
	EXPECT_EQ(1, write(go[1], "", 1));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(1, query(self->fd).pages);
	EXPECT_EQ(1, self->mem[8 * PAGE]);
}

/* The file outlives the parent's arena; the next arena may be the child's. */
TEST_F(lifetime, child_maps_after_parent_unmaps)
{
	pid_t pid;

	self->mem[0] = 1;
	ASSERT_EQ(0, munmap(self->mem, ARENA_PAGES * PAGE));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		char *mem = arena_map(self->fd, 16);

		if (mem == MAP_FAILED || !all_zero(mem, 16 * PAGE))
			_exit(1);
		if (query(self->fd).pages != 16)
			_exit(2);
		_exit(0);
	}
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(0, query(self->fd).pages);
	EXPECT_EQ(0, query(self->fd).arena_addr);
}

static int send_fd(int sock, int fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -1;
}

static int receive_fd(int sock)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} u;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};
	int fd;

	if (recvmsg(sock, &msg, 0) != 1 || !CMSG_FIRSTHDR(&msg))
		return -1;
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
}

TEST_F(lifetime, passed_file)
{
	int sock[2];
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int fd;

		close(self->fd);
		fd = receive_fd(sock[1]);
		if (fd < 0)
			_exit(1);
		if (!all_calls_eperm(fd, self->mem))
			_exit(2);
		if (arena_map(fd, 1) != MAP_FAILED || errno != EBUSY)
			_exit(3);
		_exit(0);
	}
	pattern_fill(self->mem, 2 * PAGE, 5);
	ASSERT_EQ(0, send_fd(sock[0], self->fd));
	EXPECT_EQ(0, reap(pid));
	EXPECT_EQ(2, query(self->fd).pages);
	EXPECT_TRUE(pattern_holds(self->mem, 2 * PAGE, 5));
}

/* A thread shares the address space, so it shares the arena. */
static void *move_from_thread(void *arg)
{
	FIXTURE_DATA(lifetime) *self = arg;

	return (void *)(intptr_t)move_pages(self->fd, self->mem,
					    self->mem + PAGE, 1);
}

TEST_F(lifetime, thread)
{
	pthread_t thread;
	void *ret;

	self->mem[0] = 1;
	ASSERT_EQ(0, pthread_create(&thread, NULL, move_from_thread, self));
	ASSERT_EQ(0, pthread_join(thread, &ret));
	EXPECT_EQ(NULL, ret);
	EXPECT_EQ(1, self->mem[PAGE]);
}

/* A mapping holds the context; closing the file takes nothing away. */
TEST_F(lifetime, close_before_munmap)
{
	pattern_fill(self->mem, 4 * PAGE, 6);
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, madvise(self->mem, ARENA_PAGES * PAGE, MADV_DONTNEED));
	EXPECT_TRUE(pattern_holds(self->mem, 4 * PAGE, 6));
	self->mem[9 * PAGE] = 1;
	ASSERT_EQ(0, munmap(self->mem, ARENA_PAGES * PAGE));
}

/* A page that is pinned, here by a pipe, outlives the arena. */
TEST_F(lifetime, pinned_page)
{
	struct iovec iov = { self->mem, PAGE };
	char buf[PAGE];
	int pipefd[2];

	pattern_fill(self->mem, PAGE, 7);
	ASSERT_EQ(0, pipe(pipefd));
	ASSERT_EQ(PAGE, vmsplice(pipefd[1], &iov, 1, 0));
	ASSERT_EQ(0, move_pages(self->fd, self->mem, self->mem + PAGE, 1));
	ASSERT_EQ(0, release(self->fd, self->mem + PAGE, 1, 0));
	ASSERT_EQ(0, munmap(self->mem, ARENA_PAGES * PAGE));
	ASSERT_EQ(PAGE, read(pipefd[0], buf, PAGE));
	EXPECT_TRUE(pattern_holds(buf, PAGE, 7));
}

/*
 * Memory comes back. Each way of letting go is tried until what it would leak
 * is more than the noise by far.
 */
#define LEAK_ROUNDS	16
#define LEAK_KIB	(LEAK_ROUNDS * ARENA_PAGES * 4)

static void expect_no_leak(struct __test_metadata *const _metadata,
			   size_t before)
{
	size_t after = meminfo_kib("MemFree:");

	EXPECT_LT(before, after + LEAK_KIB / 4) {
		TH_LOG("MemFree went from %zu to %zu KiB", before, after);
	}
}

TEST_F_TIMEOUT(lifetime, munmap_frees, LONG)
{
	size_t before = meminfo_kib("MemFree:");
	int i;

	for (i = 0; i < LEAK_ROUNDS; i++) {
		memset(self->mem, 1, ARENA_PAGES * PAGE);
		ASSERT_EQ(ARENA_PAGES, query(self->fd).pages);
		ASSERT_EQ(0, munmap(self->mem, ARENA_PAGES * PAGE));
		ASSERT_EQ(0, query(self->fd).pages);
		self->mem = arena_map(self->fd, ARENA_PAGES);
		ASSERT_NE(MAP_FAILED, self->mem);
	}
	expect_no_leak(_metadata, before);
	ASSERT_TRUE(all_zero(self->mem, 64 * PAGE));
}

TEST_F_TIMEOUT(lifetime, release_frees, LONG)
{
	size_t before = meminfo_kib("MemFree:");
	int i;

	for (i = 0; i < LEAK_ROUNDS; i++) {
		memset(self->mem, 1, ARENA_PAGES / 2 * PAGE);
		ASSERT_EQ(0, move_pages(self->fd, self->mem, self->mem +
					ARENA_PAGES / 2 * PAGE,
					ARENA_PAGES / 2));
		ASSERT_EQ(0, release(self->fd, self->mem, ARENA_PAGES, 0));
		ASSERT_EQ(0, query(self->fd).pages);
	}
	expect_no_leak(_metadata, before);
}

/* Children with a copy of a stack end in every way, some with children of their own. */
static void fork_many(void)
{
	int i, status;
	pid_t pid;

	on_stack.result = 0;
	for (i = 0; i < LEAK_ROUNDS; i++) {
		pid = fork();
		if (!pid && i % 3 == 0)
			_exit(0);
		if (!pid && i % 3 == 1)
			raise(SIGKILL);
		if (!pid) {
			pid = fork();
			if (!pid)
				_exit(5);
			_exit(reap(pid));
		}
		status = reap(pid);
		if (status != (int[]){ 0, 128 + SIGKILL, 5 }[i % 3])
			on_stack.result = status ? status : -1;
	}
}

TEST_F_TIMEOUT(lifetime, copies_of_stacks_are_freed, LONG)
{
	size_t before = meminfo_kib("MemFree:");

	ASSERT_EQ(0, madvise(self->mem, ARENA_PAGES * PAGE, MADV_DOFORK));
	/* All that is populated above the stack pointer is copied. */
	memset(self->mem + STACK_AT, 1, ARENA_PAGES * PAGE - STACK_AT);
	EXPECT_EQ(0, run_on_stack(self, fork_many));
	ASSERT_EQ(0, release(self->fd, self->mem, ARENA_PAGES, 0));
	expect_no_leak(_metadata, before);
}

TEST_F_TIMEOUT(lifetime, exit_frees, LONG)
{
	size_t before = meminfo_kib("MemFree:");
	pid_t pid;
	int i;

	ASSERT_EQ(0, munmap(self->mem, ARENA_PAGES * PAGE));
	for (i = 0; i < LEAK_ROUNDS; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			char *mem = arena_map(self->fd, ARENA_PAGES);

			if (mem == MAP_FAILED)
				_exit(1);
			memset(mem, 1, ARENA_PAGES * PAGE);
			_exit(0);
		}
		ASSERT_EQ(0, reap(pid));
		ASSERT_EQ(0, fdinfo(self->fd, "populated:"));
	}
	expect_no_leak(_metadata, before);
}

/* Killed in the middle of a MOVE, sooner or later in it. */
TEST_F_TIMEOUT(lifetime, kill_frees, LONG)
{
	const size_t n = ARENA_PAGES / 2;
	size_t before = meminfo_kib("MemFree:");
	int i, go[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, munmap(self->mem, ARENA_PAGES * PAGE));
	ASSERT_EQ(0, pipe(go));
	for (i = 0; i < LEAK_ROUNDS; i++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			char *a = arena_map(self->fd, ARENA_PAGES);
			char *b = a + n * PAGE;

			if (a == MAP_FAILED)
				_exit(1);
			memset(a, 1, n * PAGE);
			if (write(go[1], "", 1) != 1)
				_exit(2);
			for (;;) {
				if (move_pages(self->fd, a, b, n) ||
				    move_pages(self->fd, b, a, n))
					_exit(3);
			}
		}
		ASSERT_EQ(1, read(go[0], &byte, 1));
		/* The arena is the child's: this process may not use it. */
		EXPECT_TRUE(all_calls_eperm(self->fd, self->mem));
		EXPECT_EQ((long)n, fdinfo(self->fd, "populated:"));
		usleep(i * 700);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(128 + SIGKILL, reap(pid));
		EXPECT_EQ(0, fdinfo(self->fd, "populated:"));
		EXPECT_EQ(0, query(self->fd).arena_len);
	}
	expect_no_leak(_metadata, before);
}

/* What the arena holds counts as the process's, and stops when it goes. */
TEST_F(lifetime, counted_as_rss)
{
	FILE *f;
	long size, rss[3] = { 0 };
	int i;

	for (i = 0; i < 3; i++) {
		f = fopen("/proc/self/statm", "r");
		ASSERT_NE(NULL, f);
		ASSERT_EQ(2, fscanf(f, "%ld %ld", &size, &rss[i]));
		fclose(f);
		if (i == 0)
			memset(self->mem, 1, ARENA_PAGES * PAGE);
		if (i == 1)
			ASSERT_EQ(0, release(self->fd, self->mem, ARENA_PAGES,
					     GREEN_RELEASE_SEAL));
	}
	EXPECT_LE(rss[0] + ARENA_PAGES * 3 / 4, rss[1]);
	EXPECT_GE(rss[0] + ARENA_PAGES / 4, rss[2]);
}

TEST_HARNESS_MAIN
