#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The driver's command line. Prints "ok name" or "not ok name" a case.
# Arguments: greencc, an empty directory.
cc=$1
cd "$2" || exit 1
# What the driver left behind shows in a directory of its own.
mkdir tmp inc
export TMPDIR="$PWD/tmp"

check() {
	name=$1
	shift
	if "$@" >log 2>&1; then echo "ok $name"; else echo "not ok $name"; sed 's/^/# /' log; fi
}
refuses() {
	! "$cc" "$@" 2>err && [ "$(wc -l <err)" = 1 ] && grep -q '^greencc: ' err
}

echo '#define N 3' >n.h
printf '#include "n.h"\nint f(void);\nint f(void) { return N; }\n' >f.c
printf 'void g(void);\nvoid g(void) { }\n' >g.c
printf 'int f(void);\nint main(void) { return f() - 3; }\n' >main.c
printf '.globl h\nh: ret\n.section .note.GNU-stack,"",@progbits\n' >h.s
printf 'int broken(\n' >broken.c

deps() { "$cc" -MMD -MF f.dep -c f.c -o f.o && grep -q '^f.o:.*f.c.*n.h' f.dep; }
deps_named() { mkdir -p o; "$cc" -MD -c f.c -o o/f.o && grep -q '^o/f.o:' o/f.d; }
deps_target() { "$cc" -MMD -MT goal -MF t.dep -c f.c -o t.o && grep -q '^goal:' t.dep; }
links() { "$cc" "$@" f.c main.c g.c -o p && ./p; }
objects() {
	"$cc" -c f.c main.c && "$cc" -c g.c -o g.o && "$cc" h.s f.o main.o g.o -Wl,--gc-sections -o q && ./q
}
shared() { "$cc" -O2 -fPIC -shared f.c g.c -o libf.so && "$cc" main.c libf.so -Wl,-rpath,"$PWD" -o r && ./r; }
archive() { "$cc" -c f.c && ar rcs libx.a f.o && "$cc" main.c g.c -L. -lx -o s && ./s; }
to_stdout() { "$cc" -S -O2 f.c -o - | grep -q green_maps && [ ! -e ./- ]; }
to_text() { "$cc" -O1 -S f.c -o f.s && grep -q green_maps f.s && ! grep -q llvm_stackmaps f.s && "$cc" -c f.s -o fs.o; }
preprocess() { "$cc" -E f.c | grep -q 'return 3' && "$cc" -MM f.c | grep -q n.h; }
# As configure scripts and Meson ask a compiler what it is and what it can do.
asks_macros() { "$cc" -E -dM - </dev/null | grep -q '__clang__' && "$cc" -x c -E -dM - </dev/null | grep -q __STDC__; }
asks_stdin() { printf '#include "n.h"\nN N\n' | "$cc" -E - | grep -q '^3 3$'; }
asks_versions() { "$cc" --version | grep -q clang && [ "$("$cc" -dumpmachine)" ] && "$cc" -print-prog-name=ld >/dev/null; }
asks_languages() { echo 'int x;' >a.cc && "$cc" -E a.cc | grep -q 'int x' && "$cc" -flto -E f.c | grep -q 'return 3'; }
from_stdin() {
	printf 'int f(void);\nint f(void) { return 3; }\n' >text
	"$cc" -x c -O2 -c - -o in.o <text && readelf -SW in.o | grep -q green_maps &&
	"$cc" -xc -c - <text && readelf -SW ./-.o | grep -q green_maps &&
	"$cc" main.c -x c - -o in <text && ./in && "$cc" -x c -S - -o - <text | grep -q green_maps
}
other_names() {
	cp f.c f.text && cp h.s h.text &&
	"$cc" -x c f.text -x assembler h.text -x none main.c -o on && ./on && nm on | grep -q ' h$' &&
	"$cc" -x c f.text -c && readelf -SW f.o | grep -q green_maps
}
fails() { ! "$cc" -c broken.c -o broken.o 2>/dev/null && [ ! -e broken.o ]; }
debug() { "$cc" -g -O2 -c f.c -o d.o && readelf -SW d.o | grep -q debug_line; }
explains() { # options
	printf '#include "e.h"\nvoid g(void*);\nint e(void){\nint x;__asm__("nop" : : "r"(&x));g(0);return x;}\nint ok(int n){return n+h(n);}' >e.c
	printf 'void g(void*);\n\n__attribute__((noinline)) static int h(int n) { char v[n]; g(v); return v[0]; }\n' >inc/e.h
	"$cc" --explain -Iinc "$@" e.c >said && [ "$(wc -l <said)" = 2 ] &&
	grep -q '^e.c:[34]: e: .*assembly' said && grep -q '^inc/e.h:3: h: .*variable size' said
}
response() {
	printf '%s\n' '-O2 "-DA=\"a b\"" '"'-DB=1 + 1'" '-DC=3\ +\ 4 @inner' >outer
	printf '"-o" resp.o' >inner
	printf 'int f(void);\nint f(void) { return sizeof(A) + B + C; }\n' >resp.c
	"$cc" -c resp.c @outer && [ -e resp.o ] && nm resp.o | grep -q ' f$'
}
response_c_file() { echo 'f.c main.c g.c' >files && echo '-o resp' >out && "$cc" @files @out && ./resp && readelf -SW resp | grep -q green_maps; }
response_missing() { refuses -c @nothing; }
response_endless() { echo '-c f.c @endless' >endless; refuses @endless; }
stdin_free() { "$cc" -O2 -x c -c f.c -o x.o; }
no_growth() { "$cc" -fno-green-growth f.c main.c -o ng && ./ng && ! nm ng | grep -q green_stack; }

check dependencies deps
check dependencies_by_object deps_named
check dependencies_target deps_target
check links links
check links_static links -static
check links_pie links -fPIE -pie
check links_no_pie links -no-pie -fno-pie
check links_sections links -ffunction-sections -Wl,--gc-sections
check objects_and_assembly objects
check shared_library shared
check archive archive
check assembly_text to_text
check assembly_text_to_standard_output to_stdout
check preprocessor preprocess
check error_status fails
check debug_information debug
check explain explains
check explain_optimised explains -O2
check explain_with_debug_information explains -g
check response_file response
check response_file_of_sources response_c_file
check response_file_missing response_missing
check response_file_endless response_endless
check language_option stdin_free
check no_growth no_growth
check asks_macros asks_macros
check asks_stdin asks_stdin
check asks_versions asks_versions
check asks_languages asks_languages
check from_standard_input from_stdin
check other_names other_names
# What does not work says so, in one line.
for option in -flto -flto=thin -fsanitize=undefined -fsanitize-coverage=trace-pc -fmemory-profile \
	-fxray-instrument -mfentry -femulated-tls -fsplit-stack -emit-llvm -fembed-bitcode \
	-fbasic-block-sections=all -fsplit-machine-functions -mspeculative-load-hardening \
	-mretpoline -mretpoline-external-thunk -mlvi-cfi -mlvi-hardening -mseses -masm=intel; do
	check "refuses_$option" refuses "$option" -c f.c
done
check refuses_no_passes refuses -Xclang -disable-llvm-passes -c f.c
check refuses_stdin_of_no_language refuses -c - -o no.o
check refuses_cxx refuses -c f.cc
check refuses_sanitizers refuses -fsanitize=address -c f.c
check refuses_32_bit refuses -m32 -c f.c
check leaves_nothing [ -z "$(ls tmp)" ]
