#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The check of the emitted assembly: code that it must refuse is put before a
# call of a function that is fine without it. Prints "ok name" or "not ok name".
# Arguments: greencc, an empty directory, clang.
# shellcheck disable=SC2016 # the $ are of immediate operands
tools=$(dirname "$1")
cd "$2" || exit 1
cat >a.c <<'EOF'
void green_test_move(void);
int f(int *p, int n) { int x = n; green_test_move(); return *p + x; }
EOF
GREENCC_PASS_OPTIONS=growth "$3" -O2 -S -fpass-plugin="$tools/greenpass.so" \
	-fno-omit-frame-pointer a.c -o plain.s || exit 1

case_of() { # name, expectation, assembly
	awk -v text="$3" '/callq/ && !n++ { print text } { print }' plain.s >bad.s
	! cmp -s plain.s bad.s &&
	"$tools/greenmap" --explain bad.s >said
	if [ -s said ]; then got=refused; else got=fine; fi
	if [ "$got" = "$2" ]; then echo "ok $1"; else echo "not ok $1"; fi
}

case_of nothing fine '	nop'
case_of dead_address fine '	leaq	-8(%rbp), %rax'
case_of address_as_argument fine '	leaq	-8(%rbp), %rdi'
case_of clobbered_address fine '	leaq	-8(%rbp), %rbx
	xorl	%ebx, %ebx'
case_of address_in_callee_saved refused '	leaq	-8(%rbp), %rbx'
case_of stack_pointer_in_callee_saved refused '	movq	%rsp, %r12'
case_of frame_pointer_in_callee_saved refused '	movq	%rbp, %r15'
case_of computed_address refused '	movq	%rsp, %rax
	addq	$16, %rax
	movq	%rax, %r13'
case_of address_by_conditional_move refused '	leaq	-8(%rbp), %rax
	cmovneq	%rax, %rbx'
case_of spilled_address refused '	leaq	-8(%rbp), %rax
	movq	%rax, -16(%rbp)'
case_of pushed_address refused '	movq	%rsp, %rax
	pushq	%rax'
case_of address_in_vector refused '	movq	%rsp, %xmm7'
case_of address_in_memory refused '	leaq	-8(%rbp), %rcx
	xchgq	%rcx, (%rdi)'
case_of address_over_a_jump refused '	leaq	-8(%rbp), %rbx
	testl	%eax, %eax
	jne	.Lthere
	xorl	%ebx, %ebx
.Lthere:'
case_of changed_frame_pointer refused '	movq	%rax, %rbp'
case_of thread_pointer refused '	movq	%fs:0, %rbx'
