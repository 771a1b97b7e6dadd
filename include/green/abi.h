/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What compiled code and the runtime have agreed on, for C, C++ and assembly. A change
 * here is a change for all objects that greencc ever made.
 */
#ifndef GREEN_ABI_H
#define GREEN_ABI_H

/*
 * At %fs:GREEN_ABI_LIMIT, a word of glibc's thread control block for split stacks, lies
 * the limit that entry tests compare rsp with: 0 on an ordinary stack.
 */
#define GREEN_ABI_LIMIT		0x70

/*
 * The four bytes in front of a mapped function, which make an instruction together:
 * it has barriers, and perhaps tests its stack.
 */
#define GREEN_ABI_MARK		0x071f0f67	/* it does not */
#define GREEN_ABI_MARK_TESTS	0x061f0f67
#define GREEN_ABI_MARK_BIT	0x01000000	/* in which they differ */

/* Bytes of stack that are asked for before calls of what does not test it. */
#define GREEN_ABI_NEED_SMALL	4096		/* functions of libc that take little */
#define GREEN_ABI_NEED		32768		/* foreign code */
#define GREEN_ABI_NEED_DYNAMIC	262144		/* alloca() and the like */

/* Bytes of arguments on the stack that a new segment has copies of. */
#define GREEN_ABI_NEAR		80
#define GREEN_ABI_FAR		4096		/* variable, or many, arguments */

#endif /* GREEN_ABI_H */
