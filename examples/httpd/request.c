/* SPDX-License-Identifier: MIT */
/* RFC 9112, strictly: what is malformed is refused, not guessed at. */
#include "request.h"

#include <string.h>
#include <strings.h>

static bool equals(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - p) == len && !memcmp(p, word, len);
}

static bool equals_nocase(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - p) == len && !strncasecmp(p, word, len);
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_token(const char *p, const char *end)
{
	if (p == end)
		return false;
	for (; p < end; p++) {
		char lower = *p | 0x20;

		if (!is_digit(*p) && (lower < 'a' || lower > 'z') &&
		    (!*p || !strchr("!#$%&'*+-.^_`|~", *p)))
			return false;
	}
	return true;
}

/* No control characters; tabs where the caller allows them. */
static bool is_printable(const char *p, const char *end, bool tab)
{
	for (; p < end; p++)
		if (((unsigned char)*p < 0x20 && !(tab && *p == '\t')) || *p == 0x7f)
			return false;
	return true;
}

static int parse_method(struct request *r, const char *p, const char *end)
{
	static const char *const other[] = {
		"POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
	};
	size_t i;

	if (!is_token(p, end))
		return -400;
	if (equals(p, end, "GET")) {
		r->method = METHOD_GET;
		return 0;
	}
	if (equals(p, end, "HEAD")) {
		r->method = METHOD_HEAD;
		return 0;
	}
	r->method = METHOD_OTHER;
	for (i = 0; i < sizeof(other) / sizeof(*other); i++)
		if (equals(p, end, other[i]))
			return 0;
	return -501;
}

static int parse_version(struct request *r, const char *p, const char *end)
{
	if (end - p != 8 || memcmp(p, "HTTP/", 5) || !is_digit(p[5]) || p[6] != '.' ||
	    !is_digit(p[7]))
		return -400;
	if (p[5] != '1')
		return -505;
	r->minor = p[7] > '0';
	r->keep_alive = r->minor;
	return 0;
}

static int hex(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character at *p, decoded, and *p moved behind it; 0 if it is none. */
static char decode(const char **p, const char *end)
{
	char c = *(*p)++;

	if (c != '%')
		return c;
	if (end - *p < 2 || hex((*p)[0]) < 0 || hex((*p)[1]) < 0)
		return 0;
	c = (char)(hex((*p)[0]) << 4 | hex((*p)[1]));
	*p += 2;
	return c;
}

/* The segment that ends at @out; it may not lead elsewhere. */
static bool is_dots(const char *segment, const char *out)
{
	return equals(segment, out, ".") || equals(segment, out, "..");
}

static int parse_path(struct request *r, const char *p, const char *end)
{
	char *out = r->path, *segment = out;

	while (p < end) {
		bool slash = *p == '/';
		char c = decode(&p, end);

		if (!c)
			return -400;
		if (!slash && c == '/')
			return -404;	/* "%2F": no file has such a name */
		if (slash && out == segment)
			continue;	/* an empty segment */
		if (slash && is_dots(segment, out))
			return -400;
		*out++ = c;
		if (slash)
			segment = out;
	}
	if (is_dots(segment, out))
		return -400;
	*out = '\0';
	return 0;
}

/* "/path?query", or "http://host/path?query" as to a proxy. */
static int parse_target(struct request *r, const char *p, const char *end)
{
	const char *query;

	if (!is_printable(p, end, false) || memchr(p, '#', (size_t)(end - p)))
		return -400;
	if (end - p > 7 && !strncasecmp(p, "http://", 7)) {
		p += 7;
		while (p != end && *p != '/' && *p != '?')
			p++;
	} else if (p == end || *p != '/') {
		return -400;
	}
	query = memchr(p, '?', (size_t)(end - p));
	return parse_path(r, p, query ? query : end);
}

static int parse_request_line(struct request *r, const char *p, const char *end)
{
	const char *method_end = memchr(p, ' ', (size_t)(end - p));
	const char *target_end;
	int err;

	if (!method_end)
		return -400;
	target_end = memchr(method_end + 1, ' ', (size_t)(end - method_end - 1));
	if (!target_end)
		return -400;
	err = parse_version(r, target_end + 1, end);
	if (!err)
		err = parse_method(r, p, method_end);
	if (!err && r->method != METHOD_OTHER)
		err = parse_target(r, method_end + 1, target_end);
	return err;
}

/* A list of words: only "close" and "keep-alive" mean something. */
static void parse_connection(struct request *r, const char *p, const char *end)
{
	while (p < end) {
		const char *word = p + strspn(p, " \t,");
		const char *word_end = word + strcspn(word, " \t,\r");

		if (word >= end)
			break;
		if (equals_nocase(word, word_end, "close"))
			r->keep_alive = false;
		else if (equals_nocase(word, word_end, "keep-alive") && !r->minor)
			r->keep_alive = true;
		p = word_end;
	}
}

static int parse_length(struct request *r, const char *p, const char *end)
{
	if (p == end)
		return -400;
	for (; p < end; p++) {
		if (!is_digit(*p))
			return -400;
		if (*p != '0')
			r->has_body = true;
	}
	return 0;
}

static int parse_header(struct request *r, const char *p, const char *end)
{
	const char *colon = memchr(p, ':', (size_t)(end - p));
	const char *value;

	/* This refuses folded lines, too: they begin with a blank. */
	if (!colon || !is_token(p, colon) || !is_printable(colon, end, true))
		return -400;
	value = colon + 1;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	if (equals_nocase(p, colon, "Transfer-Encoding"))
		return -501;
	if (equals_nocase(p, colon, "Content-Length"))
		return parse_length(r, value, end);
	if (equals_nocase(p, colon, "Connection"))
		parse_connection(r, value, end);
	if (equals_nocase(p, colon, "Host"))
		r->hosts++;
	return 0;
}

/* The empty line was met. */
static int check(const struct request *r)
{
	if (r->hosts > 1 || (r->minor && !r->hosts))
		return -400;
	return 0;
}

int request_parse(struct request *r, const char *buf, size_t len)
{
	const char *p = buf, *end = buf + len, *newline;
	bool begun = false;
	int err;

	r->method = METHOD_GET;
	r->has_body = false;
	r->keep_alive = false;
	r->hosts = 0;
	while ((newline = memchr(p, '\n', (size_t)(end - p)))) {
		const char *line_end = newline - 1;

		if (newline == p || *line_end != '\r')
			return -400;
		if (p == line_end && begun)
			return check(r) ?: (int)(newline + 1 - buf);
		/* Empty lines before a request are ignored. */
		if (p < line_end) {
			err = begun ? parse_header(r, p, line_end) :
				      parse_request_line(r, p, line_end);
			if (err)
				return err;
			begun = true;
		}
		p = newline + 1;
	}
	if (len >= REQUEST_MAX)
		return begun ? -431 : -414;
	return 0;
}
