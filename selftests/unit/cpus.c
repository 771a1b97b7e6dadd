// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Quotas of cgroups, from files that are made here. */
#define _GNU_SOURCE
#include <ftw.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cpus.h"

#include "kselftest_harness.h"

FIXTURE(cpus)
{
	char root[40];
};

FIXTURE_SETUP(cpus)
{
	strcpy(self->root, "/tmp/green-cpus-XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->root));
}

static int gone(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

FIXTURE_TEARDOWN(cpus)
{
	nftw(self->root, gone, 8, FTW_DEPTH | FTW_PHYS);
}

/* A file, and the directories that it is in. */
static void make(const char *root, const char *name, const char *text)
{
	char path[300];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s", root, name);
	for (char *s = strchr(path + strlen(root) + 1, '/'); s; s = strchr(s + 1, '/')) {
		*s = 0;
		mkdir(path, 0700);
		*s = '/';
	}
	f = fopen(path, "w");
	if (!f || fputs(text, f) < 0)
		abort();
	fclose(f);
}

#define MAKE(name, text) make(self->root, name, text)
#define SECOND	"30 29 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
#define FIRST	"33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" \
		"34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"

TEST_F(cpus, without_cgroups)
{
	EXPECT_EQ(ULONG_MAX, green_quota(self->root));
	MAKE("/proc/self/cgroup", "0::/a/b\n");
	EXPECT_EQ(ULONG_MAX, green_quota(self->root));
	MAKE("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n");
	EXPECT_EQ(ULONG_MAX, green_quota(self->root));
}

TEST_F(cpus, of_the_second_version)
{
	MAKE("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" SECOND);
	MAKE("/proc/self/cgroup", "0::/a.slice/b\n");
	EXPECT_EQ(ULONG_MAX, green_quota(self->root));
	MAKE("/sys/fs/cgroup/a.slice/b/cpu.max", "max 100000\n");
	EXPECT_EQ(ULONG_MAX, green_quota(self->root));
	MAKE("/sys/fs/cgroup/a.slice/b/cpu.max", "250000 100000\n");
	EXPECT_EQ(2500, green_quota(self->root));
	/* What is above may give less, or more. */
	MAKE("/sys/fs/cgroup/a.slice/cpu.max", "40000 20000\n");
	EXPECT_EQ(2000, green_quota(self->root));
	MAKE("/sys/fs/cgroup/a.slice/cpu.max", "800000 100000\n");
	EXPECT_EQ(2500, green_quota(self->root));
	MAKE("/sys/fs/cgroup/cpu.max", "50000 100000\n");
	EXPECT_EQ(500, green_quota(self->root));
	MAKE("/sys/fs/cgroup/cpu.max", "nonsense\n");
	EXPECT_EQ(2500, green_quota(self->root));
}

/* A container sees a part of the hierarchy. */
TEST_F(cpus, of_a_part_that_is_mounted)
{
	MAKE("/proc/self/cgroup", "0::/pods/one/inner\n");
	MAKE("/proc/self/mountinfo",
	     "30 29 0:26 /pods/on /wrong rw - cgroup2 cgroup2 rw\n"
	     "31 29 0:26 /pods/one /with\\040blank rw shared:9 - cgroup2 cgroup2 rw\n");
	MAKE("/wrong/cpu.max", "100000 100000\n");
	MAKE("/with blank/inner/cpu.max", "300000 100000\n");
	EXPECT_EQ(3000, green_quota(self->root));
	MAKE("/with blank/cpu.max", "150000 100000\n");
	EXPECT_EQ(1500, green_quota(self->root));
}

TEST_F(cpus, of_the_first_version)
{
	MAKE("/proc/self/mountinfo", FIRST SECOND);
	MAKE("/proc/self/cgroup", "5:cpuset:/wrong\n4:cpu,cpuacct:/a/b\n0::/c\n");
	MAKE("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_quota_us", "-1\n");
	MAKE("/sys/fs/cgroup/cpu,cpuacct/a/b/cpu.cfs_period_us", "100000\n");
	EXPECT_EQ(ULONG_MAX, green_quota(self->root));
	MAKE("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "350000\n");
	MAKE("/sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
	EXPECT_EQ(3500, green_quota(self->root));
	/* Both may limit it. */
	MAKE("/sys/fs/cgroup/c/cpu.max", "100 100\n");
	EXPECT_EQ(1000, green_quota(self->root));
}

TEST(at_least_one_and_no_more_than_the_affinity)
{
	cpu_set_t all, one;
	unsigned int n = green_cpus();

	ASSERT_EQ(0, sched_getaffinity(0, sizeof(all), &all));
	EXPECT_LE(1, n);
	EXPECT_GE(CPU_COUNT(&all), n);
	if (green_quota("") == ULONG_MAX)
		EXPECT_EQ(CPU_COUNT(&all), n);
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE && !CPU_COUNT(&one); i++)
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	EXPECT_EQ(1, green_cpus());
}

TEST_HARNESS_MAIN
