// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * A call that a stack can move in, for programs that make few: greencc knows nothing
 * of it, and it tests its stack.
 */
void safepoint(void);

static volatile int calls;

static void count(int n)
{
	calls += n;
}

static void (*volatile fn)(int) = count;

void safepoint(void)
{
	fn(1);
}
