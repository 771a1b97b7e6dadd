/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of green.ko share. Include it after kselftest_harness.h.
 */
#ifndef KMOD_TEST_H
#define KMOD_TEST_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/green.h>

#define DEVICE	"/dev/green"
#define PAGE	4096UL

/* An fd, or -1 with errno set. Only absence is a reason to skip. */
static inline int device_open(void)
{
	return open(DEVICE, O_RDWR | O_CLOEXEC);
}

static inline bool device_absent(void)
{
	return errno == ENOENT || errno == ENODEV || errno == ENXIO;
}

/*
 * SKIP for FIXTURE_SETUP. After SKIP(return) there the harness would run the
 * test all the same, so leave as it leaves a test that was skipped.
 */
#define SKIP_TEST(...)	SKIP(_exit(255), __VA_ARGS__)

#define OPEN_OR_SKIP(fd) do {						\
	(fd) = device_open();						\
	if ((fd) < 0 && device_absent())				\
		SKIP_TEST(DEVICE " is absent: is green.ko loaded?");	\
	ASSERT_LE(0, (fd));						\
} while (0)

static inline char *arena_map(int fd, size_t pages)
{
	return mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    0);
}

static inline struct green_query query(int fd)
{
	struct green_query q = { .size = sizeof(q) };

	if (ioctl(fd, GREEN_IOC_QUERY, &q))
		abort();
	return q;
}

static inline int release(int fd, void *addr, size_t pages, uint32_t flags)
{
	struct green_release r = {
		.size = sizeof(r),
		.flags = flags,
		.addr = (uintptr_t)addr,
		.len = pages * PAGE,
	};

	return ioctl(fd, GREEN_IOC_RELEASE, &r);
}

static inline struct green_move_elem move_elem(void *src, void *dst,
					       size_t pages)
{
	return (struct green_move_elem){
		.src = (uintptr_t)src,
		.dst = (uintptr_t)dst,
		.len = pages * PAGE,
	};
}

static inline int move_vec(int fd, struct green_move_elem *vec, uint32_t nr)
{
	struct green_move m = {
		.size = sizeof(m),
		.vec = (uintptr_t)vec,
		.nr = nr,
	};

	return ioctl(fd, GREEN_IOC_MOVE, &m);
}

static inline int move_pages(int fd, void *src, void *dst, size_t pages)
{
	struct green_move_elem elem = move_elem(src, dst, pages);

	return move_vec(fd, &elem, 1);
}

/*
 * Reads through the kernel: 0, or the errno. An empty page is populated, a
 * sealed one is EFAULT.
 */
static inline int peek(const void *addr, void *buf, size_t len)
{
	struct iovec local = { buf, len };
	struct iovec remote = { (void *)addr, len };
	ssize_t n = process_vm_readv(getpid(), &local, 1, &remote, 1, 0);

	return n == (ssize_t)len ? 0 : n < 0 ? errno : EFAULT;
}

static inline bool is_sealed(const void *page)
{
	char c;

	return peek(page, &c, 1) == EFAULT;
}

/* The signal that writing to @addr raises, 0 for none. */
static __thread sigjmp_buf touch_env;

static void touch_handler(int sig)
{
	siglongjmp(touch_env, sig);
}

static inline int touch(volatile char *addr)
{
	struct sigaction sa = { .sa_handler = touch_handler }, segv, bus;
	int sig;

	sigaction(SIGSEGV, &sa, &segv);
	sigaction(SIGBUS, &sa, &bus);
	sig = sigsetjmp(touch_env, 1);
	if (!sig)
		*addr = *addr;
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return sig;
}

/* Every byte depends on the seed and its offset. */
static inline unsigned char pattern_byte(size_t i, unsigned int seed)
{
	return (i * 31 + (i >> 12) * 7 + seed * 101) & 0xff;
}

static inline void pattern_fill(void *addr, size_t len, unsigned int seed)
{
	unsigned char *p = addr;
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = pattern_byte(i, seed);
}

static inline bool pattern_holds(const void *addr, size_t len,
				 unsigned int seed)
{
	const unsigned char *p = addr;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i] != pattern_byte(i, seed))
			return false;
	return true;
}

static inline bool all_zero(const void *addr, size_t len)
{
	const unsigned char *p = addr;
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

#endif /* KMOD_TEST_H */
