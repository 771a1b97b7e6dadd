// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* As many workers as there are CPUs to use, if nobody says how many. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <green.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

/* OS threads of this process. */
static int count(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	int n = 0;

	while (dir && (d = readdir(dir)))
		n += d->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

/* Where there are several workers two have begun by now, the others are about to. */
static int os_threads(void *arg)
{
	unsigned int asked = arg ? *(unsigned int *)arg : 0;

	usleep(50000);
	for (int i = 0; i < 5000 && count() < (int)asked; i++)
		usleep(1000);
	return count();
}

static int workers(unsigned int asked)
{
	struct green_options opt = { .workers = asked };

	return green_run(&opt, os_threads, &asked);
}

static cpu_set_t all;

/* On so many of the CPUs. */
static int use(int most)
{
	cpu_set_t some;

	CPU_ZERO(&some);
	for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&some) < most; i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &some);
	return sched_setaffinity(0, sizeof(some), &some);
}

TEST(with_one_cpu_there_is_one)
{
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	ASSERT_EQ(0, use(1));
	EXPECT_EQ(1, workers(0));
	EXPECT_EQ(1, green_run(NULL, os_threads, NULL));
	/* What is asked for is had. */
	EXPECT_EQ(3, workers(3));
}

/* What nobody asked for is not refused: an arena with room for one has one. */
TEST(a_small_arena_has_few)
{
	struct green_options opt = { .arena_size = (4 << 20) + 2 * (768 << 10) };

	EXPECT_EQ(1, green_run(&opt, os_threads, NULL));
}

/* ---- with a quota --------------------------------------------------------------- */

static int put(const char *dir, const char *name, const char *text)
{
	char path[300];
	FILE *f;
	int err;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "we");
	if (!f)
		return -errno;
	err = fputs(text, f) < 0;
	return fclose(f) || err ? -EIO : 0;
}

/* Of half a CPU, or of one and a half; 0 if this process may make it. */
static int make_group(const char *dir, int first, int half)
{
	if (mkdir(dir, 0700))
		return -errno;
	return first ? put(dir, "cpu.cfs_quota_us", half ? "50000" : "150000") :
	       put(dir, "cpu.max", half ? "50000 100000" : "150000 100000");
}

static int workers_within(const char *dir)
{
	int status;

	if (!fork()) {
		char pid[20];

		snprintf(pid, sizeof(pid), "%d", getpid());
		_exit(put(dir, "cgroup.procs", pid) ? 99 : workers(0));
	}
	wait(&status);
	return WEXITSTATUS(status);
}

TEST(a_quota_is_heeded)
{
	static const char *const top[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/cpu" };
	int all_workers = workers(0), made = 0;
	char dir[100];

	for (int first = 0; first < 2; first++)
		for (int half = 0; half < 2; half++) {
			snprintf(dir, sizeof(dir), "%s/green-%d", top[first], getpid());
			if (!make_group(dir, first, half) && ++made)
				EXPECT_EQ(half || all_workers == 1 ? 1 : 2, workers_within(dir));
			rmdir(dir);
		}
	if (!made)
		SKIP(return, "no cgroup with a quota can be made here");
}

TEST_HARNESS_MAIN
