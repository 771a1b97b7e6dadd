// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Compresses and expands its input with zlib in many ways; prints the sizes and
 * a checksum of each. The stream and the buffers are not on the stack: zlib
 * keeps their addresses in its state, and a stack that holds them cannot move.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define INPUT	(256u << 10)
#define SMALL	1021	/* bytes handed to zlib at once */

static unsigned char input[INPUT], packed[2 * INPUT], output[INPUT];
static z_stream stream;

static void check(int got, int want, const char *what)
{
	if (got == want)
		return;
	printf("%s: %d\n", what, got);
	exit(1);
}

/* Calls @step until it has taken all of @n bytes and ended. */
static size_t run(int (*step)(z_stream *, int), unsigned char *in, size_t n,
		  unsigned char *out, size_t room)
{
	int err = Z_OK;

	stream.next_in = in;
	stream.avail_in = 0;
	stream.next_out = out;
	while (err == Z_OK) {
		size_t left = n - stream.total_in;
		size_t space = room - stream.total_out;

		stream.avail_in = left < SMALL ? left : SMALL;
		stream.avail_out = space < SMALL ? space : SMALL;
		err = step(&stream, left <= SMALL ? Z_FINISH : Z_NO_FLUSH);
		if (err == Z_BUF_ERROR)
			err = Z_OK;
	}
	check(err, Z_STREAM_END, "end");
	return stream.total_out;
}

static void round_trip(size_t n, int level, int window, int memory, int strategy)
{
	size_t size;

	memset(&stream, 0, sizeof(stream));
	check(deflateInit2(&stream, level, Z_DEFLATED, window, memory, strategy), Z_OK,
	      "deflateInit2");
	size = run(deflate, input, n, packed, sizeof(packed));
	check(deflateEnd(&stream), Z_OK, "deflateEnd");
	printf("level %d window %d strategy %d: %zu -> %zu, %08lx\n", level, window,
	       strategy, n, size, crc32(0, packed, size));

	memset(&stream, 0, sizeof(stream));
	check(inflateInit2(&stream, window), Z_OK, "inflateInit2");
	check(run(inflate, packed, size, output, sizeof(output)) == n, 1, "size");
	check(inflateEnd(&stream), Z_OK, "inflateEnd");
	check(memcmp(input, output, n), 0, "contents");
}

int main(void)
{
	/* zlib's own format, raw, and gzip's. */
	static const int windows[] = { 15, 9, -15, 31 };
	size_t n = fread(input, 1, sizeof(input), stdin);

	for (unsigned int w = 0; w < sizeof(windows) / sizeof(windows[0]); w++)
		for (int level = 0; level <= 9; level++)
			for (int strategy = 0; strategy <= Z_FIXED; strategy++)
				round_trip(n, level, windows[w], 1 + level % 9, strategy);
	return 0;
}
