#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: costs.sh greencc directory
# What functions do not pay for, and the cases beside those in which they have to. That
# nothing is wrong then is shown by move/calls.c and escape/escape.c.
cc=$1 dir=$2

report() { # status what
	[ "$1" = 0 ] && echo "ok $2" || echo "not ok $2"
}

# The instructions of f() in C text $1.
f() { # text
	printf '%s\n' "$1" >"$dir/f.c"
	"$cc" -w -O2 -S "$dir/f.c" -o "$dir/f.s" &&
	sed -n '/^f:/,/^\.Lfunc_end/p' "$dir/f.s" >"$dir/f"
}
has() { grep -qE "$1" "$dir/f"; }

f 'void g(int *); void f(int *p) { g(p); }' && has 'jmp.*g[.]green[.]1' && ! has 'call|fs:112'
report $? 'a call before a return is a jump, which needs no stack'
f 'void g(int *); void f(int *p, int n) { if (n) *p = n; else g(p); }' &&
	has 'j[a-z]+.*g[.]green[.]1'
report $? '... on one of the ways, too'
f 'int g(int *); int f(int *p) { return g(p) + 1; }' && has 'call.*g[.]green[.]1' && has fs:112
report $? 'no other call is'
f 'void free(void *); void f(void *p) { free(p); }' && has 'leaq	-32[0-9]{3}\(%rsp\)|free[.]green'
report $? 'foreign code is asked for where it is jumped to'
f 'void g(int *), h(void); void f(void) { int x; g(&x); h(); }' &&
	has 'call.*h[.]green[.]0' && has green_escape_low
report $? 'a local that others may find has to be forgotten behind all calls'
f 'void g(int *), h(void); void f(int n) { int x; if (!n) h(); else { g(&x); h(); } }' &&
	has 'jmp.*h[.]green[.]0' && has 'call.*h[.]green[.]0'
report $? '... but not where it has not been used'
f 'void *memcpy(void *, const void *, unsigned long);
int f(int *p, int n) {
	if (__builtin_expect(!*p, 1)) return 0;
	volatile char big[2000];
	for (int i = 0; i < 2000; i++) big[i] = n;
	memcpy(p, (char *)big, n);
	return big[n];
}' && has 'leaq	-2[0-9]{3}\(%rsp\), %r11'
report $? 'a frame behind a return is counted'
f 'int _setjmp(void *) __attribute__((returns_twice)); void g(void); void *kept;
void f(void) { long env[25]; kept = env; if (!_setjmp(env)) g(); }' && ! has 'green_escape(_lend)?@'
report $? 'a function that never moves does not pin its own locals'
f 'void *kept; void f(int *p) { kept = p; }' && has 'green_escape@'
report $? '... but any other address that it keeps'
