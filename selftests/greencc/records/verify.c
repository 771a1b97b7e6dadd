// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Ordinary code that must be movable: every function here. */
#include "../runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEEP __attribute__((noinline, used))

struct request {
	const char *method, *path;
	char *body;
	size_t length;
	int status;
	struct {
		const char *name, *value;
	} headers[8];
	int nr_headers;
};

struct cursor {
	const char *p, *end;
};

struct conn {
	int fd;
	char *out;
	struct conn *next;
	struct request last;
};

void lends(char *p __attribute__((noescape)), size_t n);

NOINLINE static const char *word(struct cursor *c, char stop)
{
	const char *start = c->p;

	while (c->p < c->end && *c->p != stop)
		c->p++;
	green_test_move();
	return start;
}

NOINLINE static int parse_headers(struct request *r, struct cursor *c)
{
	while (c->p < c->end && r->nr_headers < 8) {
		r->headers[r->nr_headers].name = word(c, ':');
		r->headers[r->nr_headers++].value = word(c, '\n');
	}
	return r->nr_headers;
}

NOINLINE static int parse_request(struct request *r, const char *text, size_t n)
{
	struct cursor c = { text, text + n };

	memset(r, 0, sizeof(*r));
	r->method = word(&c, ' ');
	r->path = word(&c, ' ');
	return parse_headers(r, &c);
}

NOINLINE static void answer(struct conn *conn, const struct request *r)
{
	char head[256];
	int n = snprintf(head, sizeof(head), "HTTP/1.1 %d\r\n", r->status);

	green_test_move();
	conn->out = strdup(head);
	conn->last.status = r->status;
	conn->last.length = (size_t)n;
}

KEEP int serve(struct conn *conn)
{
	char buf[4000];
	struct request r;
	ssize_t n = read(conn->fd, buf, sizeof(buf));

	green_test_move();
	if (n <= 0)
		return -1;
	if (parse_request(&r, buf, (size_t)n) < 1)
		r.status = 400;
	r.body = strdup(r.path);
	answer(conn, &r);
	free(r.body);
	return r.status;
}

KEEP int lend(void)
{
	char buf[64];

	lends(buf, sizeof(buf));
	green_test_move();
	return buf[0];
}

KEEP long number(const char *s)
{
	char *end;
	long n = strtol(s, &end, 10);

	green_test_move();
	return *end ? -1 : n;
}

KEEP size_t heap_list(struct conn **head, int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	size_t n = 0;

	c->fd = fd;
	c->next = *head;
	*head = c;
	for (; c; c = c->next) {
		green_test_move();
		n++;
	}
	return n;
}

NOINLINE static int compare(const int *a, const int *b)
{
	green_test_move();
	return *a - *b;
}

KEEP int largest(int n)
{
	int v[16], *best = v;

	for (int i = 0; i < 16; i++)
		v[i] = i * n % 17;
	for (int *p = v; p < v + 16; p++)
		if (compare(p, best) > 0)
			best = p;
	return *best;
}

/* Lengths and differences of addresses live over calls. */
KEEP size_t lengths(const char *text)
{
	char buf[128];
	char *end = buf;
	size_t n;

	while (*text && end < buf + sizeof(buf) - 1)
		*end++ = *text++;
	n = (size_t)(end - buf);
	green_test_move();
	return n;
}

KEEP struct cursor make_cursor(const char *p, size_t n)
{
	green_test_move();
	return (struct cursor){ p, p + n };
}

KEEP size_t use_cursor(void)
{
	char buf[16] = "cursor";
	struct cursor c = make_cursor(buf, 6);

	green_test_move();
	return (size_t)(c.end - c.p);
}

NOINLINE static int copy_number(struct request *to, const struct request *from)
{
	size_t n = from->length;
	int s = from->status;

	green_test_move();
	to->length = n;
	to->status = s;
	return s;
}

KEEP int numbers(void)
{
	char text[8] = "x";
	struct request a = { .path = text, .length = 3, .status = 4 }, b = { 0 };

	return copy_number(&b, &a) + (int)b.length + *a.path;
}

/* Addresses that do nothing but measure are numbers. */
struct limits {
	uintptr_t top, limit;
	size_t most;
};

KEEP void set_limits(struct limits *l)
{
	l->top = (uintptr_t)__builtin_frame_address(0);
	l->limit = l->top - l->most;
	green_test_move();
}

KEEP int beyond(const struct limits *l, size_t more)
{
	uintptr_t here = (uintptr_t)__builtin_frame_address(0);
	int is = here - more < l->limit;

	green_test_move();
	return is;
}

static char *stack_base;

KEEP void set_stack_base(void)
{
	char local[100];

	memset(local, 1, sizeof(local));
	stack_base = local;
	green_test_move();
}

KEEP long stack_used(void)
{
	char *here = __builtin_frame_address(0), local;
	long by_frame = stack_base - here, by_local = stack_base - &local;

	green_test_move();
	return by_frame < by_local ? by_local : by_frame;
}

KEEP uintptr_t frame_as_integer(void)
{
	green_test_move();
	return (uintptr_t)__builtin_frame_address(0);
}

int test_main(void)
{
	return 0;
}
