// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Structures that span frames, and a parser that keeps pointers into a local. */
#include "../runtime.h"

#include <stdlib.h>
#include <string.h>

struct link {
	struct link *next;
	int v;
};

static NOINLINE long sum(const struct link *l)
{
	long r = 0;

	for (; l; l = l->next) {
		green_test_move();
		r = r * 3 + l->v;
	}
	return r;
}

/* Each frame adds a link of its own to the front. */
static NOINLINE long chain(const struct link *next, int depth)
{
	struct link l = { (struct link *)next, depth };

	green_test_move();
	return depth ? chain(&l, depth - 1) + l.v : sum(&l);
}

static NOINLINE void link_in(struct link **head, struct link *l)
{
	l->next = *head;
	green_test_move();
	*head = l;
}

static NOINLINE long in_one_frame(void)
{
	struct link v[5], *head = NULL;

	for (int i = 0; i < 5; i++) {
		v[i].v = i + 1;
		link_in(&head, &v[i]);
	}
	return sum(head);
}

/* Not link_in(): the analysis merges the callers of a function. */
static NOINLINE long on_the_heap(void)
{
	struct link *head = NULL;
	long r;

	for (int i = 0; i < 5; i++) {
		struct link *l = malloc(sizeof(*l));

		l->v = i;
		l->next = head;
		green_test_move();
		head = l;
	}
	r = sum(head);
	while (head) {
		struct link *next = head->next;

		free(head);
		head = next;
	}
	return r;
}

struct request {
	const char *method, *path;
	const char *headers[4];
	int nr_headers;
	char *line;
	size_t length;
};

struct cursor {
	const char *p, *end;
};

static NOINLINE int next_word(struct cursor *c, const char **word)
{
	while (c->p < c->end && *c->p == ' ')
		c->p++;
	green_test_move();
	*word = c->p;
	while (c->p < c->end && *c->p != ' ' && *c->p != '\n')
		c->p++;
	green_test_move();
	return (int)(c->p - *word);
}

static NOINLINE int parse(struct request *r, const char *text, size_t n)
{
	struct cursor c = { text, text + n };
	int sum = next_word(&c, &r->method);

	sum = sum * 10 + next_word(&c, &r->path);
	while (c.p < c.end && r->nr_headers < 4) {
		c.p++;
		sum = sum * 10 + next_word(&c, &r->headers[r->nr_headers++]);
	}
	return sum;
}

static NOINLINE long parsing(void)
{
	char text[64];
	struct request r = { 0 };
	long n;

	strcpy(text, "GET /index host\nagent\nend");
	n = parse(&r, text, strlen(text));
	green_test_move();
	text[0] = 'P';
	r.line = strdup(r.path);
	green_test_move();
	n = n * 10 + r.method[0] + r.headers[1][1] + (long)strlen(r.line);
	free(r.line);
	return n + r.nr_headers;
}

static NOINLINE int quick(int *v, int *end)
{
	int *l = v, *r = end - 1, pivot, steps = 1;

	if (end - v < 2)
		return 0;
	pivot = v[(end - v) / 2];
	while (l <= r) {
		while (*l < pivot)
			l++;
		while (*r > pivot)
			r--;
		green_test_move();
		if (l <= r) {
			int t = *l;

			*l++ = *r;
			*r-- = t;
		}
	}
	steps += quick(v, r + 1);
	green_test_move();
	return steps + quick(l, end);
}

static NOINLINE long sorting(void)
{
	int v[24];
	long r = 0;

	for (int i = 0; i < 24; i++)
		v[i] = i * 37 % 29;
	r = quick(v, v + 24);
	for (int i = 0; i < 24; i++)
		r = (r * 33 + v[i]) % 1000003;
	return r;
}

int test_main(void)
{
	green_test_out("chain", chain(NULL, 10));
	green_test_out("in_one_frame", in_one_frame());
	green_test_out("on_the_heap", on_the_heap());
	green_test_out("parsing", parsing());
	green_test_out("sorting", sorting());
	return 0;
}
