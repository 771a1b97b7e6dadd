// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
// For leave.c: exceptions, built by g++.
#include "leave.h"

namespace {

struct Notes {
	int n;
	~Notes() { note(n); }
};

} // namespace

extern "C" int catches(void (*fn)(void *), void *arg)
{
	try {
		fn(arg);
	} catch (int n) {
		return n;
	}
	return 0;
}

extern "C" void throws(int n)
{
	throw n;
}

extern "C" void destroys(int n, void (*fn)(void *), void *arg)
{
	Notes notes = { n };

	fn(arg);
}
