// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
// For defer.c: deferred from C++, built by g++. Arguments become what the parameters are.
#include "defer.h"

#include <green.h>
#include <cstdio>
#include <cstring>

char defer_said[256];

namespace {

enum class Shade : short { Dark = -2 };

template <typename... T> void say(const char *format, T... values)
{
	size_t n = strlen(defer_said);

	snprintf(defer_said + n, sizeof(defer_said) - n, format, values...);
}

// clang would rely on the upper bits of these.
__attribute__((noinline)) void narrow(bool b, signed char c, unsigned short s, Shade shade)
{
	// What the caller is to have extended is seen in whole registers.
	int words[4];

	asm volatile("" : "=D"(words[0]), "=S"(words[1]), "=d"(words[2]), "=c"(words[3])
		     : "0"(int(b)), "1"(int(c)), "2"(int(s)), "3"(int(shade)));
	say("narrow %d %d %d %d;", words[0], words[1], words[2], words[3]);
}

void six(char c, const void *p, long l, unsigned int u, void (*fn)(int), bool b)
{
	say("six %d %d %ld %u %d;", c, p == nullptr, l, u, b);
	fn(6);
}

void number(int n) noexcept
{
	say("number %d;", n);
}

} // namespace

extern "C" void defer_from_cxx(int i, long l, void *p)
{
	struct green_defer rec;
	GREEN_SCOPE;

	green_defer(narrow, p, i, l, Shade::Dark);
	green_defer(six, i, NULL, i, l, [](int n) { say("lambda %d;", n); }, l);
	green_defer(number, i++);
	green_defer_at(&rec, [](int n, decltype(nullptr)) { say("null %d;", n); }, i, nullptr);
}

extern "C" void defer_from_cxx_and_throw(int i)
{
	try {
		GREEN_SCOPE;

		green_defer(number, i);
		throw 1;
	} catch (int n) {
		say("caught %d;", n);
	}
}
