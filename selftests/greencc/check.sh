#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# The check of the emitted assembly: code that it must refuse is put before a
# call of a function that is fine without it. Prints "ok name" or "not ok name".
# Arguments: greencc, an empty directory, clang.
# shellcheck disable=SC2016 # the $ are of immediate operands
tools=$(dirname "$1")
stubs=$(dirname "$(readlink -f "$0")")/../../tools/greencc/stubs.S
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
# What it does not know is no reason to believe that all is well.
case_of unknown_instruction refused '	xlatb'
case_of unknown_form_of_a_known_one refused '	push2	%rcx, %rdx'
case_of unknown_register refused '	movq	%r16, %rax'
case_of unknown_prefix refused '	{nf}	addq	%rcx, %rdx'
case_of unknown_directive refused '	.byte	144'
case_of unknown_label refused '	jne	.Lnowhere'
case_of call_by_a_similar_name refused '	leaq	-8(%rbp), %rbx
	callq	green_escape_to_nowhere
	xorl	%ebx, %ebx'
case_of registers_not_named refused '	leaq	-8(%rbp), %rbx
	lock		cmpxchg16b	(%rdi)
	xorl	%ebx, %ebx'
case_of two_results refused '	leaq	-8(%rbp), %rdx
	mulxq	%rcx, %rbx, %rax'
case_of known_ones fine '	rep;movsq	(%rsi), %es:(%rdi)
	rep		stosl	%eax, %es:(%rdi)
	lock		xaddq	%rcx, (%rdi)
	vpaddd	(%rax,%rcx), %zmm17, %zmm31 {%k1} {z}
	vcvttss2usi	{sae}, %xmm0, %rcx
	cvttsd2si	-16(%rbp), %rcx
	kmovq	%k3, %rcx
	fldt	16(%rbp)
	fucompi	%st(1), %st
	fstp	%st(0)
	setnp	%cl
	cmovbel	%ecx, %edx
	movzbl	%ah, %ecx
	movslq	%ecx, %rcx
	shldq	$3, %rcx, %rdx
	pushq	$5
	popq	%rcx
	.cfi_escape 0x2e, 0x10
	.p2align	4'
# A barrier leaves registers as they are, so what they hold is followed over it.
# shellcheck disable=SC2013 # words
for barrier in $(sed -n 's/^	STUB	\(green_escape[a-z_]*\)$/\1/p' "$stubs"); do
	case_of "address_over_$barrier" refused "	leaq	-8(%rbp), %rdi
	callq	$barrier
	movq	%rdi, %rbx"
done
case_of push_behind_a_call refused '	callq	green_test_move
	pushq	$5'
case_of constant_by_push fine '	callq	green_escape
	pushq	$5
	popq	%rcx'
case_of assembly_that_takes_the_stack_pointer refused '	#APP
	movq	%rsp, %rcx
	#NO_APP'
case_of assembly_that_takes_the_frame_pointer refused '	#APP
	pushq	%rbp
	#NO_APP'
case_of assembly_that_compares_it fine '	#APP
	cmpq	%rsp, %rcx
	#NO_APP'
case_of assembly_of_any_other_kind fine '	#APP
	xlatb
	.byte	144
	#NO_APP'

printf '%s\n' 'void green_test_move(void); unsigned f(void)' \
	'{ unsigned lo; lo = __builtin_ia32_rdpru(1); green_test_move(); return lo; }' >b.c
"$1" -O2 -mrdpru --explain b.c >said
grep -q 'b.c:2: f: .*: unknown instruction: rdpru' said && echo ok reason_is_told || echo not ok reason_is_told
