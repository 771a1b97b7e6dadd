// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* The examples, with 1, 2 and 4 workers: against known answers, and with real clients. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"

FIXTURE(example) { int unused; };
FIXTURE_VARIANT(example) { unsigned int workers; };
FIXTURE_VARIANT_ADD(example, one_worker) { .workers = 1 };
FIXTURE_VARIANT_ADD(example, two_workers) { .workers = 2 };
FIXTURE_VARIANT_ADD(example, four_workers) { .workers = 4 };
FIXTURE_SETUP(example) { }
FIXTURE_TEARDOWN(example) { }

/* ---- the sieve ---------------------------------------------------------------- */

static bool is_prime(int n)
{
	for (int i = 2; i * i <= n; i++)
		if (n % i == 0)
			return false;
	return true;
}

TEST_F(example, sieve)
{
	char command[64];
	int n = 1, nr = 0, said;
	FILE *f;

	snprintf(command, sizeof(command), "./example-sieve 400 %u", variant->workers);
	f = popen(command, "r");
	ASSERT_NE(NULL, f);
	while (fscanf(f, "%d", &said) == 1) {
		while (!is_prime(++n))
			;
		EXPECT_EQ(n, said);
		nr++;
	}
	EXPECT_EQ(0, pclose(f));
	EXPECT_EQ(400, nr);
	EXPECT_EQ(2741, n);
}

/* ---- the pipeline --------------------------------------------------------------- */

static void make_file(const char *dir, const char *name, const char *text, size_t repeat)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	while (f && repeat--)
		fputs(text, f);
	if (f)
		fclose(f);
}

/* All that a command says, its lines sorted. */
static char *said_by(const char *fmt, const char *dir, unsigned int workers)
{
	static char buf[2][65536];
	static unsigned int turn;
	char command[512];
	size_t len;
	FILE *f;

	turn = !turn;
	snprintf(command, sizeof(command), fmt, dir, workers);
	f = popen(command, "r");
	if (!f)
		return NULL;
	len = fread(buf[turn], 1, sizeof(buf[turn]) - 1, f);
	buf[turn][len] = '\0';
	return pclose(f) ? NULL : buf[turn];
}

TEST_F(example, pipeline)
{
	char dir[] = "/tmp/green-tree-XXXXXX", sub[64], *ours, *theirs;
	int nr = 0;

	ASSERT_NE(NULL, mkdtemp(dir));
	make_file(dir, "empty", "", 1);
	make_file(dir, "digits", "123456789", 1);
	for (int i = 0; i < 20; i++) {
		snprintf(sub, sizeof(sub), "%s/%d", dir, i);
		ASSERT_EQ(0, mkdir(sub, 0700));
		make_file(sub, "a", "a", i == 3 ? 65536 : i);
		make_file(sub, "b", "some text\n", i * 1000);
	}
	ours = said_by("./example-pipeline %s %u | sort", dir, variant->workers);
	ASSERT_NE(NULL, ours);
	for (const char *p = ours; *p; p++)
		nr += *p == '\n';
	EXPECT_EQ(42, nr);
	/* What POSIX has of the empty file, and the usual digits. */
	snprintf(sub, sizeof(sub), "4294967295 0 %s/empty\n", dir);
	EXPECT_NE(NULL, strstr(ours, sub));
	snprintf(sub, sizeof(sub), "930766865 9 %s/digits\n", dir);
	EXPECT_NE(NULL, strstr(ours, sub));
	/* Not in a virtual machine. */
	if (!system("command -v cksum >/dev/null")) {
		theirs = said_by("find %s -type f -exec cksum {} \\; | sort", dir, 0);
		ASSERT_NE(NULL, theirs);
		EXPECT_STREQ(theirs, ours);
	}
	EXPECT_NE(NULL, said_by("rm -r %s", dir, 0));
}

TEST_F(example, pipeline_of_what_is_not_there)
{
	EXPECT_EQ(NULL, said_by("./example-pipeline %s/green-none %u 2>&1", "/tmp",
				variant->workers));
}

/* ---- those of groups ---------------------------------------------------------------- */

TEST_F(example, rate_limit)
{
	EXPECT_STREQ("200 requests of 8 clients, 0 before their time\n",
		     said_by("./example-ratelimit 8 25 %s 10 %u", "1000", variant->workers));
}

TEST_F(example, fan_out)
{
	EXPECT_STREQ("0 1 4 9 16 late 36 49 (7 of 8 shards)\n",
		     said_by("./example-fanout %s %u", "1000", variant->workers));
}

/* ---- the chat ---------------------------------------------------------------------- */

#define CLIENTS 8
#define ROUNDS 20

static pid_t start_chat(unsigned int workers, unsigned int *port)
{
	char nr[8], said[16] = "";
	int fd[2];
	pid_t pid;

	if (pipe(fd))
		return -1;
	snprintf(nr, sizeof(nr), "%u", workers);
	pid = fork();
	if (!pid) {
		dup2(fd[1], STDOUT_FILENO);
		execl("./example-chat", "example-chat", "0", nr, NULL);
		_exit(1);
	}
	close(fd[1]);
	if (read(fd[0], said, sizeof(said) - 1) > 0)
		*port = atoi(said);
	close(fd[0]);
	return pid;
}

static int join(unsigned int port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0), small = 4096;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	return connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ? -1 : fd;
}

static bool says(int fd, const char *text)
{
	return send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text);
}

/* The next line, without what ends it; "" at the end. */
static const char *hears(int fd)
{
	static char line[512];
	size_t len = 0;
	ssize_t n;
	char *end;

	do {
		n = recv(fd, line + len, sizeof(line) - 1 - len, MSG_PEEK);
		if (n <= 0)
			return "";
		end = memchr(line + len, '\n', n);
		if (end)
			n = end + 1 - line - len;
		n = recv(fd, line + len, n, 0);
		len += n;
	} while (!end);
	line[len - 1] = '\0';
	return line;
}

/* Each hears of those that come after it; and all hear all that is said then, alike. */
TEST_F(example, chat)
{
	char text[64], first[64];
	unsigned int port = 0;
	pid_t pid = start_chat(variant->workers, &port);
	int fd[CLIENTS];

	ASSERT_NE(0, port);
	for (int i = 0; i < CLIENTS; i++) {
		fd[i] = join(port);
		ASSERT_LE(0, fd[i]);
		snprintf(text, sizeof(text), "here is %d\n", i);
		ASSERT_TRUE(says(fd[i], text));
		text[strlen(text) - 1] = '\0';
		for (int k = 0; k <= i; k++)
			ASSERT_STREQ(text, hears(fd[k]));
	}
	for (int round = 0; round < ROUNDS; round++) {
		unsigned int heard = 0;

		for (int i = 0; i < CLIENTS; i++) {
			snprintf(text, sizeof(text), "%d of %d\n", round, i);
			ASSERT_TRUE(says(fd[i], text));
		}
		for (int i = 0; i < CLIENTS; i++) {
			int r = -1, who = -1;

			snprintf(first, sizeof(first), "%s", hears(fd[0]));
			sscanf(first, "%d of %d", &r, &who);
			ASSERT_EQ(round, r);
			heard |= 1u << who;
			for (int k = 1; k < CLIENTS; k++)
				ASSERT_STREQ(first, hears(fd[k]));
		}
		ASSERT_EQ((1u << CLIENTS) - 1, heard);
	}
	/* One goes; the others go on. */
	close(fd[0]);
	ASSERT_TRUE(says(fd[1], "bye\n"));
	for (int k = 1; k < CLIENTS; k++)
		ASSERT_STREQ("bye", hears(fd[k]));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/*
 * Who does not listen is shown out, and holds nobody up: it has missed something then. What
 * is said is more than sockets take on the way.
 */
#define TIMES 150
#define AT_ONCE 16
#define LEN 201

TEST_F(example, chat_with_one_that_does_not_listen)
{
	char text[AT_ONCE * LEN + 1], buf[4096];
	unsigned int port = 0;
	pid_t pid = start_chat(variant->workers, &port);
	int deaf = join(port), other = join(port);
	long heard = 0;
	ssize_t n;

	ASSERT_NE(0, port);
	memset(text, 'x', sizeof(text));
	for (int i = 1; i <= AT_ONCE; i++)
		text[i * LEN - 1] = '\n';
	text[AT_ONCE * LEN] = '\0';
	ASSERT_TRUE(says(deaf, "here\n"));
	ASSERT_STREQ("here", hears(deaf));
	ASSERT_TRUE(says(other, "here, too\n"));
	while (strcmp(hears(other), "here, too"))
		;
	for (int i = 0; i < TIMES; i++) {
		ASSERT_TRUE(says(other, text));
		for (int k = 0; k < AT_ONCE; k++)
			ASSERT_EQ(LEN - 1, strlen(hears(other)));
	}
	while ((n = read(deaf, buf, sizeof(buf))) > 0)
		heard += n;
	EXPECT_LT(0, heard);
	EXPECT_GT((long)TIMES * AT_ONCE * LEN, heard);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST_HARNESS_MAIN
