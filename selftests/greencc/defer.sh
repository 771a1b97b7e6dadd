#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# usage: defer.sh greencc directory clang
# What compilers say of green_defer(): wrong uses, each with all compilers that there
# are; right ones, of which nothing is to be said; and what the checks leave in code.
cc=$1 dir=$2
include=$(dirname "$(readlink -f "$0")")/../../include
cd "$dir" || exit 1

report() { # status what
	[ "$1" = 0 ] && echo "ok $2" || echo "not ok $2"
}

# Those that there are, each with its options, one a line. In a directory of the
# system's headers warnings are another matter.
compilers() { # of a language: c, c17 (no later), cxx
	case $1 in
	c | c17) printf '%s\n' "$cc" 'gcc -std=gnu11' 'clang-14 -std=gnu11' \
			"gcc -std=gnu17 -isystem $include" \
			"clang-22 -std=gnu17 -isystem $include" ;;
	cxx)	printf '%s\n' 'g++ -std=gnu++17' 'g++ -std=gnu++20' 'clang++-14 -std=gnu++17' \
			'clang++-19 -std=gnu++17' 'clang++-22 -std=gnu++20' ;;
	esac
	case $1 in
	c)	printf '%s\n' 'gcc -std=gnu2x' 'clang-19 -std=gnu2x' 'clang-22 -std=gnu2x' ;;
	esac
}

cat >declared <<'END'
#include <green.h>
#include <stdbool.h>
struct pair { long a, b; };
struct bits { int small : 3; unsigned int large : 20; bool flag : 1; };
enum color { RED, GREEN };
void none(void);
void ints(int, long);
void number(unsigned int);
void text(char *);
void real(double);
void short_real(float);
void by_value(struct pair);
void flag(bool);
void letter(char);
void named_letter(const char *, unsigned char);
void many(const char *, ...);
void six(int, int, int, int, int, int);
struct pair returns_pair(void);
long double returns_real(void);
extern int i;
extern long l;
extern double d;
extern char *s;
extern const char *constant;
extern struct pair v, *p;
END

# Each of the compilers says so of the code, and makes nothing of it if it is an error.
says() { # language, error or warning, words, code
	grade=$2 words=$3 status=0 tried=0
	case $1 in
	cxx) file=wrong.cxx ;;
	*) file=wrong.c ;;
	esac
	{ cat declared; printf '%s\n' "$4"; } >$file
	compilers "$1" >list
	while read -r compiler options; do
		command -v "$compiler" >/dev/null || continue
		tried=$((tried + 1))
		# shellcheck disable=SC2086
		"$compiler" $options -I"$include" -fsyntax-only $file >log 2>&1
		made=$?
		if [ $made = 0 ] && [ "$grade" = error ] || ! grep -Eq ": .*($words)" log; then
			echo "# $compiler $options"
			sed 's/^/# /' log
			status=1
		fi
	done <list
	[ $status = 0 ] && [ $tried != 0 ]
}

# In a function with a scope.
wrong() { # name, words, statement
	says c error "$2" "void f(void) { GREEN_SCOPE; $3; }"
	report $? "c: $1"
}
wrong_cxx() {
	says cxx error "$2" "void f() { GREEN_SCOPE; $3; }"
	report $? "c++: $1"
}

few='too few arguments to function'
many='too many arguments to function'
pointer='makes pointer from integer without a cast|incompatible integer to pointer conversion'
integer='makes integer from pointer without a cast|incompatible pointer to integer conversion'
kinds='passes integers, enums and pointers only'
returns='cannot call a function that returns a struct, a union or a long double'
# The second line: C23.
types='is variadic, or has a parameter narrower than int|loses integer precision|'
types="$types"'in boolean context|may change value|turns string literal into bool'

wrong 'an argument too few' "$few" 'green_defer(ints, i)'
wrong 'an argument too many' "$many" 'green_defer(ints, i, l, i)'
wrong 'an argument for none' "$many" 'green_defer(none, i)'
wrong 'a text for two numbers' "$few" 'green_defer(ints, "text")'
wrong 'a pointer for an integer' "$integer" 'green_defer(ints, s, l)'
wrong '... that is the sixth argument' "$integer" 'green_defer(six, 1, 2, 3, 4, 5, s)'
wrong '... of green_defer_at()' "$integer" \
	'struct green_defer rec; green_defer_at(&rec, ints, s, l)'
wrong 'an integer for a pointer' "$pointer" 'green_defer(text, l)'
wrong 'an array for an integer' "$integer" 'int a[3]; green_defer(number, a)'
wrong 'a function for an integer' "$integer" 'green_defer(number, none)'
wrong 'a floating-point number' "$kinds" 'green_defer(ints, d, l)'
# gcc names no macros of the system's.
real='PASSES_INTEGERS_AND_POINTERS_ONLY|passes_integers_and_pointers_only|from .__int128. to'
wrong 'a floating-point parameter' "$real" 'green_defer(real, i)'
wrong '... that is narrow' "$real" 'green_defer(short_real, i)'
wrong 'a struct' "$kinds" 'green_defer(by_value, v)'
wrong 'a struct for an integer' "$kinds" 'green_defer(ints, v, l)'
wrong 'a parameter that is a struct' 'incompatible type' 'green_defer(by_value, i)'
wrong 'an integer of 128 bits' "$kinds" 'green_defer(ints, (__int128)i, l)'
wrong 'an integer for a truth value' "$types" 'green_defer(flag, i)'
wrong 'a pointer for a truth value' "$types" 'green_defer(flag, p)'
wrong 'two for a truth value' "$types" 'green_defer(flag, 2)'
wrong '300 for a char' "$types" 'green_defer(letter, 300)'
wrong 'an integer for a char' "$types" 'green_defer(letter, i)'
wrong '... behind a pointer' "$types" 'green_defer(named_letter, s, i)'
wrong 'a function that returns a struct' "$returns" 'green_defer(returns_pair)'
wrong 'a function that returns a long double' "$returns" 'green_defer(returns_real)'
wrong 'what is no function' 'is not a function' 'green_defer(i)'
wrong 'seven arguments' 'passes six arguments at most' 'green_defer(six, 1, 2, 3, 4, 5, 6, 7)'
wrong 'twenty arguments' 'passes six arguments at most' \
	'green_defer(six, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20)'
says c warning 'incompatible pointer type' 'void f(void) { GREEN_SCOPE; green_defer(text, p); }'
report $? 'c: another type of pointer'
says c warning 'discards .*qualifier' 'void f(void) { GREEN_SCOPE; green_defer(text, constant); }'
report $? 'c: a constant for a variable'
scope="GREEN_SCOPE_of_this_block.* (undeclared|was not declared)|undeclared.* .GREEN_SCOPE_of_this_block"
says c error "$scope" 'void f(void) { green_defer(none); }'
report $? 'c: no GREEN_SCOPE'
says c error "$scope" 'void f(void) { if (i) { GREEN_SCOPE; } green_defer(text, s); }'
report $? 'c: no GREEN_SCOPE in this block'

# A variadic function gets what it would get, but C before C23 does not know it for one.
says c17 error "$types" 'void f(void) { GREEN_SCOPE; green_defer(many, s, i); }'
report $? 'c: a variadic function'
says c17 error "$types" 'void f(void) { GREEN_SCOPE; green_defer(many, s); }'
report $? 'c: ... without more arguments'

wrong_cxx 'an argument too few' 'too few arguments|no matching function' 'green_defer(ints, i)'
wrong_cxx 'an argument too many' 'too many arguments|no matching function' \
	'green_defer(ints, i, l, i)'
wrong_cxx 'a pointer for an integer' 'from .char ?\*. to .int|with an lvalue of type .char \*' \
	'green_defer(ints, s, l)'
wrong_cxx 'an integer for a pointer' \
	'from .long( int)?. to .char ?\*|with an lvalue of type .long' 'green_defer(text, l)'
wrong_cxx 'a constant for a variable' \
	'from .const char ?\*. to .char ?\*|with an lvalue of type .const char \*' 'green_defer(text, constant)'
wrong_cxx 'a floating-point parameter' "$kinds" 'green_defer(real, i)'
wrong_cxx 'a struct' "$kinds" 'green_defer(by_value, v)'
wrong_cxx 'a reference' "$kinds" 'green_defer(+[](int &) {}, i)'
wrong_cxx 'a function that returns a struct' "$returns" 'green_defer(returns_pair)'
wrong_cxx 'a function that returns a long double' "$returns" 'green_defer(returns_real)'
wrong_cxx 'a variadic function' 'cannot call a variadic function' 'green_defer(many, s, i)'
wrong_cxx 'seven arguments' 'passes six arguments at most' \
	'green_defer(six, 1, 2, 3, 4, 5, 6, 7)'
says cxx error "$scope" 'void f() { green_defer(none); }'
report $? 'c++: no GREEN_SCOPE'

# ---- right uses --------------------------------------------------------------

cat >right.c <<'END'
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>
END
cat declared - >>right.c <<'END'
void numbers(int, unsigned int, long, unsigned long, long long, enum color);
void pointers(void *, const char *, struct pair *, void (*)(void), const struct pair *, int *);
void narrow(_Bool, char, short, unsigned char);
void said(const char *, _Bool);
void mixed(struct pair *, unsigned char, const char *, int);
__attribute__((warn_unused_result)) int must(int);
__attribute__((nonnull)) void needed(void *);
int returns_int(int);
float returns_float(int);
struct pair *returns_pointer(void *);
enum color returns_color(int);

int right(int n, enum color c, bool on, struct bits *bits, int array[3], void (*fn)(int))
{
	void (*table[2])(int) = { fn, fn };
	int local[4], variable[n], err = 0;
	struct green_defer rec;
	const int three = 3;
	GREEN_SCOPE;

	err |= green_defer(none);
	err |= green_defer(&none);
	err |= green_defer(numbers, n, n, n, 1, 'c', GREEN);
	err |= green_defer(numbers, on, c, l, ~0UL, -1LL, c);
	err |= green_defer(numbers, bits->small, bits->large, bits->flag, l, 1, n);
	err |= green_defer(numbers, n++, l, --l, l += 2, three, RED);
	err |= green_defer(pointers, s, s, v.a ? p : NULL, none, p, array);
	err |= green_defer(pointers, NULL, NULL, 0, 0, NULL, 0);
	err |= green_defer(pointers, local, "text", NULL, &none, p++, local + 1);
	err |= green_defer(pointers, variable, constant, (void *)s, 0, p, variable);
	err |= green_defer(mixed, p, (unsigned char)n, "text", n);
	err |= green_defer(mixed, p, true, NULL, 1);
	err |= green_defer(narrow, (_Bool)1, (char)n, (short)l, *(unsigned char *)s);
	err |= green_defer(flag, true);
	err |= green_defer(flag, on);
	err |= green_defer(said, "text", on);
	err |= green_defer(said, constant, (bool)(n != 0));
	err |= green_defer(returns_int, n);
	err |= green_defer(returns_float, n);
	err |= green_defer(returns_pointer, p);
	err |= green_defer(returns_color, n);
	err |= green_defer(must, n);
	err |= green_defer(needed, p);
	err |= green_defer(fn, n);
	err |= green_defer(table[n & 1], 1);
	err |= green_defer(exit, n);
	err |= green_defer(abort);
	err |= green_defer(close, n);
	err |= green_defer(free, s);
	err |= green_defer_at(&rec, ints, n, l);
	green_defer(free, malloc(3));
	if (green_defer(none))
		return 1;
	return err;
}

#if !defined(__STDC_VERSION__) || __STDC_VERSION__ <= 201710L
#include <sys/socket.h>
int right_before_c23(int n, struct sockaddr *address)
{
	GREEN_SCOPE;

	return green_defer(connect, n, address, 3);
}
#endif
END
cat >right.cc <<'END'
#include <cstdlib>
#include <unistd.h>
END
cat declared - >>right.cc <<'END'
enum class shade : short { DARK };
void numbers(int, unsigned int, long, unsigned long, long long, color);
void narrow(bool, char, short, unsigned char, shade);
void pointers(void *, const char *, pair *, void (*)(), const pair *, int *);
void null(decltype(nullptr));
int &returns_reference(int);
template <typename T> void generic(T) {}
static void quiet(int) noexcept {}

int right(int n, color c, bool on, bits *bits, int *array, void (*fn)(int))
{
	struct green_defer rec;
	int local[4], err = 0;
	GREEN_SCOPE;

	err |= green_defer(none);
	err |= green_defer(numbers, n, n, n, 1, 'c', GREEN);
	err |= green_defer(numbers, on, c, bits->small, bits->large, n++, c);
	err |= green_defer(narrow, n, l, 'c', 300 - n, shade::DARK);
	err |= green_defer(narrow, s, n, n, on, shade::DARK);
	err |= green_defer(pointers, s, s, p, none, p, array);
	err |= green_defer(pointers, NULL, 0, nullptr, NULL, nullptr, 0);
	err |= green_defer(pointers, local, "text", p++, [] {}, nullptr, local + 1);
	err |= green_defer([](int a) { number(a); }, n);
	err |= green_defer(null, nullptr);
	err |= green_defer(quiet, n);
	err |= green_defer(generic<int>, n);
	err |= green_defer(returns_reference, n);
	err |= green_defer(fn, n);
	err |= green_defer(std::exit, n);
	err |= green_defer(close, n);
	err |= green_defer_at(&rec, ints, n, l);
	green_defer(free, malloc(3));
	return err;
}
END

quiet() { # file, compiler and options
	file=$1
	shift
	"$@" -I"$include" -Wall -Wextra -Werror -c "$file" -o right.o >log 2>&1
	report $? "nothing of right uses: ${1##*/}${2:+ $2}${3:+ $3}"
	sed 's/^/# /' log
}
quiet right.c "$cc" -O2
for each in gcc clang-14 clang-19 clang-22; do
	command -v "$each" >/dev/null || continue
	for option in -std=c11 -std=gnu17 -std=gnu2x -O2; do
		quiet right.c "$each" "$option"
	done
	quiet right.c "$each" -Wconversion -Wno-sign-conversion
	quiet right.c "$each" -Wdeclaration-after-statement -Wshadow
done
for each in g++ clang++-14 clang++-19 clang++-22; do
	command -v "$each" >/dev/null || continue
	for option in -std=c++17 -std=gnu++17 -std=gnu++20; do
		quiet right.cc "$each" "$option"
	done
	quiet right.cc "$each" -std=gnu++17 -O2
done

# What is left of the checks: nothing. The same by hand.
{
	cat declared
	echo 'int f(int *q, int n) { int x[3] = { n }; GREEN_SCOPE; return'
	echo '#ifdef BY_HAND'
	echo 'green_defer_push(&GREEN_SCOPE_of_this_block, NULL, (green_fn)ints,
			2, (void *)(uintptr_t)n, (void *)(uintptr_t)l) |
	      green_defer_push(&GREEN_SCOPE_of_this_block, NULL, (green_fn)text,
			1 | 1 << 8, x, NULL) |
	      green_defer_push(&GREEN_SCOPE_of_this_block, NULL, (green_fn)none, 0, NULL, NULL);'
	echo '#else'
	echo 'green_defer(ints, n, l) | green_defer(text, (char *)x) | green_defer(none);'
	echo '#endif'
	echo '}'
} >cost.c
cost() { # compiler, options
	"$@" -I"$include" -c cost.c -o cost.o 2>/dev/null &&
	objdump -dr cost.o >macro &&
	"$@" -I"$include" -DBY_HAND -c cost.c -o cost.o 2>/dev/null &&
	objdump -dr cost.o >hand &&
	cmp macro hand
	report $? "no instruction of ${1##*/} $2"
}
cost "$cc" -O2
cost "$cc" -O1
for each in gcc clang-14 clang-19 clang-22; do
	command -v "$each" >/dev/null && cost "$each" -O2 && cost "$each" -O1
done
