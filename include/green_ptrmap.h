/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Pointer maps: where the stack addresses of a function are, at each call.
 *
 * They are records, 4-byte aligned, that begin with their size and a version.
 * Those in the section green_maps of a program are found there; a language
 * runtime registers its own with green_ptrmap_register(). Records of both
 * versions may stand next to each other. All numbers are little-endian.
 *
 * A plain record describes one function, in 32-bit words, and is easy to write
 * by hand:
 *
 *   struct green_map_func
 *   ceil(nr_args / 4) words: one byte an argument, GREEN_ARG_*
 *   nr_locals times:    struct green_map_local, then its bitmap:
 *                       ceil(2 * period / 32) words, two bits an 8-byte word,
 *                       lowest first, GREEN_WORD_*; word i of the local has
 *                       the bits of word i % period
 *   nr_safepoints times, by ascending offset:
 *                       struct green_map_safepoint, then nr_slots __s32 slots
 *
 * A packed record describes many functions, in a fraction of the space; greencc
 * writes one a file. Behind its struct green_map_pack stand, without gaps,
 * nr_funcs times (U an unsigned, S a signed LEB128 number of at most 32 bits):
 *
 *   4 bytes		address of the function, relative to this field
 *   U			bytes of its code
 *   U			flags, GREEN_MAP_*
 *   bytes		its name, with a NUL
 *   U nr_args, then	ceil(nr_args / 4) bytes: two bits an argument, lowest
 *			first, GREEN_ARG_*
 *   U nr_locals, then for each local, of those that have a word not SCALAR:
 *	U		words << 3 | base << 2 | kind; kind is GREEN_WORD_POINTER
 *			or GREEN_WORD_AMBIGUOUS if all its words are that,
 *			0 if it has a bitmap
 *	S		offset of its first byte from the base, in words
 *	with a bitmap:	U period, then ceil(period / 4) bytes: two bits a word,
 *			as in a plain record
 *   U nr_slots, then	nr_slots U: the slots of all safepoints, ascending: the
 *			first's offset from rsp at the call in words, then the
 *			distance of each from the one before it
 *   U nr_safepoints, then for each:
 *	U		its return address, from the one of the safepoint before
 *			it or from the function's start
 *	bytes		ceil(nr_slots / 8): a bit a slot, lowest first, set if it
 *			holds a pointer over the call
 *
 * and zero bytes up to a multiple of 4.
 *
 * A frame is found by the rbp chain: a mapped function keeps rbp as its frame
 * pointer. "rsp at the call" is the stack pointer just before the call
 * instruction pushed its return address.
 *
 * What VERIFIED promises: at every safepoint of the function each stack
 * address that it may still use lies in one of the slots, in a word of a local
 * that its bitmap names, or in the saved rbp; none is kept in a callee-saved
 * register or elsewhere in the frame, and none was stored elsewhere but by way
 * of the barrier (libuser/stack/pin.c), which pins the frame. Elsewhere is also
 * memory of the frame that other functions are given the address of: they take
 * what they find there for something that does not move.
 *
 * What BARRIERS promises, of frames that are VERIFIED and of others: a pointer
 * that the function is given is stored nowhere but by way of the barrier. To a
 * function without it, mapped code pins what it passes.
 *
 * What TESTS promises: the function takes at most 256 bytes of stack before it has
 * called green_stack_grow() for more, and so does what it calls, or the function
 * has called it for that. Threads that begin in such a function may have stacks
 * without a gap.
 */
#ifndef GREEN_PTRMAP_H
#define GREEN_PTRMAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define GREEN_MAP_VERSION 1	/* a plain record */
#define GREEN_MAP_PACKED 2	/* a packed record */

/* The flags of a function. */
#define GREEN_MAP_VERIFIED	(1u << 0)	/* frames of it may move */
#define GREEN_MAP_ARGS		(1u << 1)	/* the argument kinds are known */
#define GREEN_MAP_LOCALS	(1u << 2)	/* the locals are known */
#define GREEN_MAP_BARRIERS	(1u << 3)	/* it pins what it keeps of what it is lent */
#define GREEN_MAP_SHARED	(1u << 4)	/* ... and whatever it stores in its locals */
#define GREEN_MAP_TESTS		(1u << 5)	/* it sees to it that the stack has room for it */
/* Bits 8 to 15: why it is not VERIFIED, GREEN_WHY_*. */
#define GREEN_MAP_WHY(flags)	(((flags) >> 8) & 0xff)
/*
 * Bits 16 and 17: what its test on entry has secured below its frame, and stays so until it
 * returns: nothing, 4 KiB, 32 KiB, 256 KiB and more. A move leaves so much.
 */
#define GREEN_MAP_NEED(flags)	(((flags) >> 16) & 3)
#define GREEN_MAP_NEED_SHIFT	16

enum green_why {
	GREEN_WHY_NONE,
	GREEN_WHY_RETURNS_TWICE,	/* calls setjmp or its like */
	GREEN_WHY_ESCAPE,		/* a local's address is stored where no barrier sees it */
	GREEN_WHY_INTEGER,		/* an address lives in an integer across a call */
	GREEN_WHY_AGGREGATE,		/* ... in a vector or struct value across a call */
	GREEN_WHY_VARARGS,		/* reads variable arguments */
	GREEN_WHY_DYNAMIC,		/* alloca() or a variable-length array */
	GREEN_WHY_CONTROL,		/* asm goto, inline asm that takes a stack address, ... */
	GREEN_WHY_CODEGEN,		/* the emitted assembly failed the check */
};

/* Kinds of an argument word. */
#define GREEN_ARG_SCALAR	0
#define GREEN_ARG_POINTER	1
#define GREEN_ARG_OTHER		2	/* struct, floating point, ...: not one integer word */
#define GREEN_ARG_AMBIGUOUS	3	/* may be either: refuse if it looks like a pointer */

/* Kinds of an 8-byte word of a local. */
#define GREEN_WORD_SCALAR	0	/* never a stack address */
#define GREEN_WORD_POINTER	1	/* a pointer, or nothing of worth */
#define GREEN_WORD_AMBIGUOUS	2	/* may be either: refuse if it looks like one */

/**
 * struct green_map_func - the head of a plain record
 * @size:	bytes of the whole record, this head included
 * @version:	GREEN_MAP_VERSION
 * @func:	address of the function, relative to this field
 * @code_size:	bytes of its code
 * @name:	address of its NUL-terminated name, relative to this field
 * @flags:	GREEN_MAP_*
 * @nr_args:	arguments
 * @nr_locals:	locals in memory
 * @nr_safepoints: calls with a map
 */
struct green_map_func {
	uint32_t size;
	uint32_t version;
	int32_t func;
	uint32_t code_size;
	int32_t name;
	uint32_t flags;
	uint32_t nr_args;
	uint32_t nr_locals;
	uint32_t nr_safepoints;
};

/* green_map_local.base */
#define GREEN_BASE_RBP	0	/* offset is from the frame's rbp */
#define GREEN_BASE_RSP	1	/* ... from rsp at the call */

/**
 * struct green_map_local - one local that lives in memory at every safepoint
 * @base:	GREEN_BASE_*
 * @offset:	of its first byte from the base; a multiple of 8 wherever the
 *		bitmap has a word that is not SCALAR
 * @size:	bytes; the last word may be partial and is then never a pointer
 * @period:	words in the bitmap, at least 1
 */
struct green_map_local {
	uint32_t base;
	int32_t offset;
	uint32_t size;
	uint32_t period;
};

/**
 * struct green_map_safepoint - one call
 * @offset:	of its return address from the function's start
 * @nr_slots:	words that hold a pointer over the call; each slot is the
 *		word's offset in bytes from rsp at the call
 */
struct green_map_safepoint {
	uint32_t offset;
	uint32_t nr_slots;
};

/**
 * struct green_map_pack - the head of a packed record
 * @size:	bytes of the whole record, this head included; a multiple of 4
 * @version:	GREEN_MAP_PACKED
 * @nr_funcs:	functions
 */
struct green_map_pack {
	uint32_t size;
	uint32_t version;
	uint32_t nr_funcs;
};

/**
 * struct green_ptrmap_set - records that a language runtime brings
 * @start:	first record, 4-byte aligned
 * @end:	behind the last
 *
 * The records must stay readable until green_ptrmap_unregister().
 */
struct green_ptrmap_set {
	const void *start;
	const void *end;
};

/**
 * green_ptrmap_register() - add maps
 *
 * Returns 0; -EINVAL if a record is malformed (nothing is added); -EEXIST if
 * the set is registered; -ENOMEM.
 */
int green_ptrmap_register(const struct green_ptrmap_set *set);

/**
 * green_ptrmap_unregister() - take maps back; no stack may still need them
 *
 * Returns 0, -ENOENT if the set is not registered, or -ENOMEM.
 */
int green_ptrmap_unregister(const struct green_ptrmap_set *set);

#ifdef __cplusplus
}
#endif
#endif /* GREEN_PTRMAP_H */
