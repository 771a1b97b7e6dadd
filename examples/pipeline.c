/* SPDX-License-Identifier: MIT */
/*
 * A bounded pipeline: one thread walks a tree, a few read its files, one prints what
 * cksum(1) would. However large the tree, no more than so many names are in memory.
 *
 *	pipeline directory [workers]
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <green_sync.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define READERS	8
#define NAMES	32
#define BLOCK	65536

/* What goes through the channels; who has received it owns the path. */
struct file {
	char *path;
	unsigned int sum;
	size_t size;
	int err;
};

static green_chan_t *names, *results;
static int failed;

static unsigned int crc_step(unsigned int crc, unsigned char byte)
{
	crc ^= (unsigned int)byte << 24;
	for (int i = 0; i < 8; i++)
		crc = crc << 1 ^ (crc >> 31 ? 0x04c11db7 : 0);
	return crc;
}

static void walk(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	if (!dir) {
		perror(path);
		failed = 1;
		return;
	}
	while ((e = readdir(dir))) {
		struct file f = { 0 };
		struct stat st;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (asprintf(&f.path, "%s/%s", path, e->d_name) < 0)
			abort();
		if (!lstat(f.path, &st) && S_ISDIR(st.st_mode))
			walk(f.path);
		else if (S_ISREG(st.st_mode) && green_chan_send(names, &f) == 0)
			continue;
		free(f.path);
	}
	closedir(dir);
}

/* Nobody sends a name after the last. */
static void walks(void *root)
{
	walk(root);
	green_chan_close(names);
}

static void sum_up(struct file *f, unsigned char *block)
{
	int fd = green_openat(AT_FDCWD, f->path, O_RDONLY | O_NONBLOCK, 0);
	ssize_t n = fd;

	while (fd >= 0 && (n = green_read(fd, block, BLOCK)) > 0) {
		f->size += n;
		for (ssize_t i = 0; i < n; i++)
			f->sum = crc_step(f->sum, block[i]);
	}
	f->err = n < 0 ? (int)n : 0;
	for (size_t size = f->size; size; size >>= 8)
		f->sum = crc_step(f->sum, size);
	f->sum = ~f->sum;
	if (fd >= 0)
		green_close(fd);
}

static void reads(void *arg)
{
	unsigned char *block = malloc(BLOCK);
	struct file f;

	while (block && green_chan_recv(names, &f) == 0) {
		sum_up(&f, block);
		green_chan_send(results, &f);
	}
	free(block);
}

static void prints(void *arg)
{
	struct file f;

	while (green_chan_recv(results, &f) == 0) {
		if (f.err)
			fprintf(stderr, "%s: %s\n", f.path, strerror(-f.err));
		else
			printf("%u %zu %s\n", f.sum, f.size, f.path);
		failed |= f.err != 0;
		free(f.path);
	}
}

static int run(void *root)
{
	green_t *walker, *reader[READERS], *printer;

	names = green_chan_new(sizeof(struct file), NAMES);
	results = green_chan_new(sizeof(struct file), 0);
	walker = green_go(walks, root);
	printer = green_go(prints, NULL);
	for (int i = 0; i < READERS; i++)
		reader[i] = green_go(reads, NULL);
	for (int i = 0; i < READERS; i++)
		green_join(reader[i]);
	green_chan_close(results);
	green_join(printer);
	green_join(walker);
	return failed;
}

int main(int argc, char **argv)
{
	struct green_options opt = { .workers = argc > 2 ? (unsigned int)atoi(argv[2]) : 1 };

	if (argc < 2)
		return EXIT_FAILURE;
	return green_run(&opt, run, argv[1]) ? EXIT_FAILURE : EXIT_SUCCESS;
}
