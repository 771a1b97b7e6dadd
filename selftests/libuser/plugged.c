// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* A library for plugin.c; VARIANT makes another one of it. */
struct frame {
	const struct frame *up;
	long value;
	char room[VARIANT * 40];
};

long plugged(long n, const struct frame *up, void (*at_end)(void));
long plugged(long n, const struct frame *up, void (*at_end)(void))
{
	struct frame here = { up, n * VARIANT, { 0 } };
	long sum = 0;

	if (n)
		return plugged(n - 1, &here, at_end) + here.room[0];
	at_end();
	for (const struct frame *f = &here; f; f = f->up)
		sum += f->value;
	return sum;
}
