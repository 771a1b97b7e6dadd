/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * How many CPUs the process may use: sched_getaffinity(2), and the time that its cgroup and
 * all above that are given. /proc/self/cgroup names the group, /proc/self/mountinfo where
 * its directory is. Of the first version's hierarchies only that with the controller cpu
 * matters. What cannot be read is no limit.
 */
#define _GNU_SOURCE
#include "base/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CPUS	8192

struct cgroup {
	const char *root;		/* in front of all names of files */
	bool second;			/* version */
	char path[PATH_MAX];		/* of the group, as the hierarchy has it */
	char top[PATH_MAX];		/* where the hierarchy is mounted */
};

/* Is @word one of @list, which commas separate? */
static bool lists(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (; list; list = strchr(list, ',')) {
		list += *list == ',';
		if (!strncmp(list, word, n) && (!list[n] || list[n] == ','))
			return true;
	}
	return false;
}

static FILE *open_in(const char *root, const char *dir, const char *name)
{
	char path[2 * PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s%s/%s", root, dir, name);

	return n < (int)sizeof(path) ? fopen(path, "re") : NULL;
}

static void copy(char *to, const char *from)
{
	snprintf(to, PATH_MAX, "%s", from);
}

/* "4:cpu,cpuacct:/path", or "0::/path". */
static bool names_group(char *line, struct cgroup *g)
{
	char *list = strchr(line, ':'), *path = list ? strchr(list + 1, ':') : NULL;

	if (!path)
		return false;
	*path++ = 0;
	path[strcspn(path, "\n")] = 0;
	if (g->second ? list[1] || strncmp(line, "0:", 2) : !lists(list + 1, "cpu"))
		return false;
	copy(g->path, path);
	return true;
}

/* As mountinfo has them: a blank is \040. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		bool octal = *s == '\\' && s[1] && s[2] && s[3];

		*to++ = octal ? (s[1] - '0') * 64 + (s[2] - '0') * 8 + s[3] - '0' : *s;
		s += octal ? 3 : 0;
	}
	*to = 0;
}

/*
 * "36 35 0:29 /what /where options... - type source options": is the hierarchy mounted
 * there, as far down as the group? Then @g->path is what lies below.
 */
static bool is_mount(char *line, struct cgroup *g)
{
	char *dash = strstr(line, " - "), *word[5], *save = NULL, *type, *options;
	size_t n;

	if (!dash)
		return false;
	*dash = 0;
	for (int i = 0; i < 5; i++)
		if (!(word[i] = strtok_r(i ? NULL : line, " ", &save)))
			return false;
	type = strtok_r(dash + 3, " ", &save);
	if (!type || !strtok_r(NULL, " ", &save) || !(options = strtok_r(NULL, " \n", &save)))
		return false;
	if (g->second ? strcmp(type, "cgroup2") : strcmp(type, "cgroup") || !lists(options, "cpu"))
		return false;
	unescape(word[3]);
	unescape(word[4]);
	n = strcmp(word[3], "/") ? strlen(word[3]) : 0;
	if (strncmp(g->path, word[3], n) || (g->path[n] && g->path[n] != '/'))
		return false;
	memmove(g->path, g->path + n, strlen(g->path + n) + 1);
	copy(g->top, word[4]);
	return true;
}

/* Does any line of the file say so? */
static bool find(struct cgroup *g, const char *name, bool (*says)(char *line, struct cgroup *g))
{
	FILE *f = open_in(g->root, "/proc/self", name);
	char *line = NULL;
	size_t size = 0;
	bool found = false;

	while (f && !found && getline(&line, &size, f) > 0)
		found = says(line, g);
	free(line);
	if (f)
		fclose(f);
	return found;
}

/* The number in a file, or -1. */
static long long number_in(const char *root, const char *dir, const char *name)
{
	FILE *f = open_in(root, dir, name);
	long long n = -1;

	if (f && fscanf(f, "%lld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

/* Of one group: microseconds of CPU time in so many. False: it has no limit of its own. */
static bool limit_of(const struct cgroup *g, const char *dir, long long *quota, long long *period)
{
	FILE *f;
	bool limited;

	if (!g->second) {
		*quota = number_in(g->root, dir, "cpu.cfs_quota_us");
		*period = number_in(g->root, dir, "cpu.cfs_period_us");
		return *quota > 0 && *period > 0;
	}
	f = open_in(g->root, dir, "cpu.max");
	/* "max 100000" is none. */
	limited = f && fscanf(f, "%lld %lld", quota, period) == 2 && *quota > 0 && *period > 0;
	if (f)
		fclose(f);
	return limited;
}

/* The least of the group's and of all above it. */
static unsigned long least_along(struct cgroup *g)
{
	unsigned long least = ULONG_MAX;
	char dir[2 * PATH_MAX];
	long long quota, period;
	size_t n;

	for (;;) {
		snprintf(dir, sizeof(dir), "%s%s", g->top, g->path);
		if (limit_of(g, dir, &quota, &period) && quota < LLONG_MAX / 1000 &&
		    (unsigned long)(1000 * quota / period) < least)
			least = 1000 * quota / period;
		n = strlen(g->path);
		if (!n)
			return least;
		while (n && g->path[n - 1] != '/')
			n--;
		/* And the stroke before it. */
		g->path[n ? n - 1 : 0] = 0;
	}
}

unsigned long green_quota(const char *root)
{
	unsigned long least = ULONG_MAX, n;
	struct cgroup *g = malloc(sizeof(*g));

	for (int second = 0; g && second < 2; second++) {
		g->root = root;
		g->second = second;
		if (!find(g, "cgroup", names_group) || !find(g, "mountinfo", is_mount))
			continue;
		n = least_along(g);
		if (n < least)
			least = n;
	}
	free(g);
	return least;
}

static unsigned int affinity(void)
{
	uint64_t set[MAX_CPUS / 64] = { 0 };
	unsigned int n = 0;

	if (sched_getaffinity(0, sizeof(set), (cpu_set_t *)set))
		return 1;
	for (size_t i = 0; i < MAX_CPUS / 64; i++)
		n += __builtin_popcountll(set[i]);
	return n ?: 1;
}

unsigned int green_cpus(void)
{
	unsigned int n = affinity();
	unsigned long quota = green_quota("");

	if (quota <= (n - 1) * 1000UL)
		n = quota ? (quota + 999) / 1000 : 1;
	return n;
}
