/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The kernel ABI of green.ko: stack arenas, stack moves and context switches.
 *
 * open("/dev/green") makes a context; it belongs to the process that maps its
 * arena. mmap() with MAP_SHARED and offset 0 makes the arena: one VMA, one per
 * context, never split, resized or inherited by fork(). close() and process
 * death free everything.
 *
 * After madvise(MADV_DOFORK) over the whole arena a child of fork() has a mapping in
 * its place. Where the forking thread's stack pointer lies in the arena, the pages
 * from there up to the first that is not populated are copied into it, and below is
 * room for a few calls, unless a page is sealed; to touch anything else of it is
 * SIGSEGV. It is no arena, and the child may unmap it.
 *
 * Each page of an arena is in one of three states:
 *   empty      the first touch populates it with a zeroed page
 *   populated  it holds a page
 *   sealed     a touch is SIGSEGV (guards, and what a MOVE leaves behind)
 * An arena starts empty throughout.
 *
 * Every struct begins with its size in bytes, as the caller knows it. A
 * shorter struct than the kernel's is taken as followed by zeros, down to the
 * first version's size; a longer one must be zero beyond what the kernel knows.
 *
 * Errors that mean the same in every call:
 *   ENOTTY    no such command
 *   EINVAL    size below the first version's, unknown flag, padding not zero,
 *             address or length not page-aligned, length zero
 *   E2BIG     not zero beyond the kernel's struct, or size beyond a page, or
 *             more elements than QUERY says
 *   EFAULT    a user pointer cannot be read or written
 *   ENXIO     the context has no arena, or the range is not inside it
 *   EPERM     the caller's address space is not the arena's
 *   ENOMEM    no memory; nothing was changed
 * A call that fails changes nothing, except that the output words said so
 * below are written.
 */
#ifndef _UAPI_LINUX_GREEN_H
#define _UAPI_LINUX_GREEN_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define GREEN_ABI_VERSION	1

/* Feature bits of green_query.features. */
#define GREEN_FEATURE_MOVE	(1ULL << 0)
#define GREEN_FEATURE_RELEASE	(1ULL << 1)
#define GREEN_FEATURE_SWITCH	(1ULL << 2)

/**
 * struct green_query - what this module can do, and what this context holds
 * @size:		sizeof(struct green_query)
 * @flags:		none defined; 0
 * @abi_version:	out: GREEN_ABI_VERSION
 * @page_size:		out: bytes a page
 * @features:		out: GREEN_FEATURE_*
 * @max_arena:		out: the largest arena, bytes
 * @max_moves:		out: elements one MOVE takes
 * @max_relocs:		out: relocations one MOVE takes, over all its elements
 * @arena_addr:		out: where the arena is mapped; 0 without one
 * @arena_len:		out: its length, bytes
 * @pages:		out: populated pages in it
 * @moves:		out: elements moved since open
 */
struct green_query {
	__u32 size;
	__u32 flags;
	__u32 abi_version;
	__u32 page_size;
	__u64 features;
	__u64 max_arena;
	__u32 max_moves;
	__u32 max_relocs;
	__u64 arena_addr;
	__u64 arena_len;
	__u64 pages;
	__u64 moves;
};

/**
 * struct green_move_elem - one range of stack to move
 * @src:	first byte of the source, page-aligned
 * @dst:	first byte of the destination, page-aligned
 * @len:	bytes, a multiple of the page size
 * @relocs:	user pointer to @nr_relocs __u32: indices of 8-byte words, from
 *		@src; strictly ascending
 * @nr_relocs:	how many
 * @pad:	0
 * @delta:	added to each of those words (two's complement); each word's old
 *		value must lie in [@src, @src + @len]
 */
struct green_move_elem {
	__u64 src;
	__u64 dst;
	__u64 len;
	__u64 relocs;
	__u32 nr_relocs;
	__u32 pad;
	__s64 delta;
};

/**
 * struct green_move - move the pages of stack ranges and relocate words in them
 * @size:	sizeof(struct green_move)
 * @flags:	none defined; 0
 * @vec:	user pointer to @nr struct green_move_elem
 * @nr:		1 to green_query.max_moves
 * @failed:	in: 0; out, on failure: index of the element that was refused,
 *		or @nr when it was none in particular
 *
 * All elements or none. Every source page must be populated; every destination
 * page empty or sealed. Afterwards the destination holds the source's very
 * pages, and the source is sealed. Nobody may run on, read or write the ranges
 * meanwhile: the caller's words win or lose, the kernel stays whole.
 *
 * ENODATA	a source page is not populated
 * EEXIST	a destination page is populated
 * EBUSY	two ranges of the request overlap
 * ERANGE	a relocation's word lies outside its range, or is not ascending
 * EDOM		a relocation's word does not point into its range
 */
struct green_move {
	__u32 size;
	__u32 flags;
	__u64 vec;
	__u32 nr;
	__u32 failed;
};

/* Leave the pages sealed instead of empty. */
#define GREEN_RELEASE_SEAL	(1U << 0)

/**
 * struct green_release - give pages back
 * @size:	sizeof(struct green_release)
 * @flags:	GREEN_RELEASE_*
 * @addr:	first byte, page-aligned
 * @len:	bytes, a multiple of the page size
 *
 * Frees every populated page of the range and leaves all of it empty, or
 * sealed. ENOMEM can only happen with GREEN_RELEASE_SEAL.
 */
struct green_release {
	__u32 size;
	__u32 flags;
	__u64 addr;
	__u64 len;
};

/**
 * struct green_context - what a function call preserves on x86-64
 */
struct green_context {
	__u64 rip;
	__u64 rsp;
	__u64 rbp;
	__u64 rbx;
	__u64 r12;
	__u64 r13;
	__u64 r14;
	__u64 r15;
};

/**
 * struct green_switch - save the caller's context, continue in another
 * @size:	sizeof(struct green_switch)
 * @flags:	none defined; 0
 * @save:	user pointer to a struct green_context, written
 * @load:	user pointer to a struct green_context, read before @save is
 *		written
 *
 * The call returns 0 in the context that was loaded; a later SWITCH that loads
 * the saved one returns 0 there. Registers that a call does not preserve are
 * lost. EINVAL also: an rip or rsp that is not a user address. EOPNOTSUPP: the
 * task has a shadow stack.
 */
struct green_switch {
	__u32 size;
	__u32 flags;
	__u64 save;
	__u64 load;
};

#define GREEN_IOC_MAGIC		'g'
/*
 * The size field, not the ioctl number, says which version of a struct the
 * caller has, so the numbers carry no size.
 */
#define GREEN_IOC_QUERY		_IO(GREEN_IOC_MAGIC, 0xd0)
#define GREEN_IOC_MOVE		_IO(GREEN_IOC_MAGIC, 0xd1)
#define GREEN_IOC_RELEASE	_IO(GREEN_IOC_MAGIC, 0xd2)
#define GREEN_IOC_SWITCH	_IO(GREEN_IOC_MAGIC, 0xd3)

#endif /* _UAPI_LINUX_GREEN_H */
