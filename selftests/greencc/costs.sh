#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: costs.sh greencc directory clang
# What functions do not pay for, and the cases beside those in which they have to. That
# nothing is wrong then is shown by move/calls.c and escape/escape.c.
cc=$1 dir=$2 ref=$3

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
f 'static __attribute__((noinline)) int g(int *p) { return p[0] / p[1]; }
int f(int *p) { return g(p) + g(p + 2); }' && has 'call.*g$' && ! has fs:112
report $? 'a function that calls only what calls nothing has no test'
all='"rbx", "r12", "r13", "r14", "r15", "memory"'
f 'static __attribute__((noinline)) long g(long *p, int n) {
	volatile long v[4] = { n };
	__asm__ volatile("" : : : '"$all"');
	return v[1] + p[n];
}
long f(long *p, int n) {
	long a[26];
	_Pragma("clang loop unroll(full)") for (int i = 0; i < 26; i++) a[i] = g(p + i, n);
	__asm__ volatile("" : : : '"$all"');
	return a[0] * a[1] ^ a[2] * a[3] ^ a[4] * a[5] ^ a[6] * a[7] ^ a[8] * a[9] ^ a[10] * a[11] ^
	       a[12] * a[13] ^ a[14] * a[15] ^ a[16] * a[17] ^ a[18] * a[19] ^
	       a[20] * a[21] ^ a[22] * a[23] ^ a[24] * a[25];
}' && has fs:112
report $? '... unless all of that takes more than is kept free'

# g() is the second function of the file.
one='static __attribute__((noinline))'
g="int e(int *); $one int g(int *p) { return e(p) + e(p + 1); }"
f "$g int f(int *p) { return g(p) - g(p + 2); }" && has 'call.*[.]Lgreen_grown1$' &&
	! has 'call.*[^a-z]g$'
report $? 'a local function is called behind its test'
f "$g int f(int *p) { return *p ? e(p) - 1 : g(p); }" && has 'jmp.*[.]Lgreen_grown1$'
report $? '... and jumped to'
f "$g int f(int *p) { if (e(p)) return g(p); volatile char half[220] = { *p }; return e(p) - half[*p]; }" &&
	has 'jmp.*[.]Lgreen_grown1$'
report $? '... whatever frame has been there'
f "int e(int *); __attribute__((noinline)) int g(int *p) { return e(p) + e(p + 1); }
int f(int *p) { return g(p) - g(p + 2); }" && has 'call.*[^a-z]g$' && ! has 'call.*[.]Lgreen_grown'
report $? '... but none that the linker knows'
f "$g int f(int *p) { volatile char big[2000] = { *p }; return g(p) - big[*p]; }" &&
	has 'call.*[.]Lgreen_grown1$'
report $? '... and from a frame that is asked for, whatever its size'
f "$g int f(int *p) { volatile char half[220] = { *p }; return g(p) - half[*p]; }" &&
	has 'call.*[^a-z]g$' && ! has leaq.*r11
report $? '... but not if the two frames take more than a small one'
f "int printf(const char *, ...); $one int g(int *p) { return printf(\"%d\", *p) + 1; }
int f(int *p) { return g(p) - g(p + 2); }" && has 'call.*[^a-z]g$' && ! has 'call.*[.]Lgreen_grown'
report $? '... nor if the callee asks for more'
three="int e(int *);
$one int h(int *p) { volatile char third[60] = { *p }; return e(p) - third[*p]; }
$one int g(int *p) { volatile char third[60] = { *p }; return h(p) - third[*p]; }"
f "$three int f(int *p) { return g(p) - 1; }" && has 'call.*[.]Lgreen_grown'
report $? '... with all that are called behind tests from there'
f "$three int f(int *p) { volatile char third[60] = { *p }; return g(p) - third[*p]; }" &&
	has 'call.*[^a-z]g$' && grep -q 'call.*[.]Lgreen_grown' "$dir/f.s"
report $? '... if these do not'
f "$one int f(int *p, int n) { return n ? f(p + 1, n - 1) - f(p + 2, n - 1) : *p; }
int g(int *p) { return f(p, 1) - f(p, 2); }" && has 'call.*[^a-z]f$' && ! has 'call.*[.]Lgreen_grown'
report $? 'no circle of calls is without a test'
f 'int _setjmp(void *) __attribute__((returns_twice)); void g(void *);
int f(void) { struct { long env[25]; volatile int n; } j = { .n = 1 }; if (!_setjmp(j.env)) g(&j); return j.n; }' &&
	! has 'movq	[$]0, -'
report $? 'a function that never moves clears no word of its locals'
f 'void g(void); long f(void) { volatile long v[2]; g(); v[0] = 1; g(); return v[0]; }' && has 'movq	[$]0, -'
report $? '... as one does that moves'
f 'int _setjmp(void *) __attribute__((returns_twice)); void g(void *);
void f(void) { long env[25]; if (!_setjmp(env)) g(env); }' &&
	grep -A1 'cmpq	[$]0, %fs:112' "$dir/f" | grep -q '	je	' && has green_landed
report $? 'a thread that has no limit does not ask where setjmp() has returned'
f 'void g(int *), h(void); void f(void) { { int x; g(&x); } h(); }' && has green_escape_dead
report $? 'a local of a block is forgotten where the block ends'
f 'void g(int *); void f(int n) { if (n) { int x; g(&x); } }' && ! has green_escape_dead
report $? '... but not if the function ends there too'

# Two lives of x, the body of a loop twice: what the first has stored in the word serves
# in the second. What is kept is forgotten behind that, and when the function is left.
cat >"$dir/f.ll" <<'EOF'
@kept = external global ptr
declare void @wait()
declare void @use(ptr)
declare void @llvm.lifetime.start.p0(i64, ptr)
declare void @llvm.lifetime.end.p0(i64, ptr)
define void @f() {
  %x = alloca i64
  call void @llvm.lifetime.start.p0(i64 8, ptr %x)
  store ptr %x, ptr @kept
  call void @wait()
  call void @llvm.lifetime.end.p0(i64 8, ptr %x)
  call void @wait()
  call void @llvm.lifetime.start.p0(i64 8, ptr %x)
  call void @wait()
  %p = load ptr, ptr @kept
  store i64 1, ptr %p
  call void @llvm.lifetime.end.p0(i64 8, ptr %x)
  call void @wait()
  ret void
}
EOF
"$ref" -w -O1 -S -fpass-plugin="$(dirname "$cc")/greenpass.so" "$dir/f.ll" -o "$dir/f" &&
	[ "$(grep -c 'cmpq.*%fs:(%r11)' "$dir/f")" = 2 ]
report $? 'no local is forgotten that lives again by a copy of the code'
