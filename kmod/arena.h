/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The arena: one VMA, and the state of each of its pages.
 */
#ifndef _GREEN_ARENA_H
#define _GREEN_ARENA_H

#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/rwsem.h>
#include <linux/sizes.h>
#include <linux/types.h>

struct green_release;
struct seq_file;

#define GREEN_MAX_ARENA		SZ_1T

/*
 * A leaf of the state table holds one entry a page: NULL for an empty page,
 * GREEN_SEALED for a sealed one, else the page that populates it. Populated
 * entries are plain pointers so that a run of them is what vm_insert_pages()
 * takes.
 */
#define GREEN_LEAF_PAGES	(PAGE_SIZE / sizeof(struct page *))
#define GREEN_SEALED		((struct page *)1UL)

struct green_leaf {
	struct page *pages[GREEN_LEAF_PAGES];
};

/**
 * struct green_arena - a context of /dev/green and its arena
 * @lock:	guards what follows, and the invariant that a present PTE of @vma
 *		maps the page that its entry holds. Held for writing to change
 *		entries at will; held for reading, an entry may only go from
 *		empty to populated (by cmpxchg). Taken inside mmap_lock. User
 *		memory may lie in the arena, so none is touched while it is
 *		held.
 * @vma:	the mapping, NULL without an arena
 * @mm:		its address space. Only ever compared: it is cleared before
 *		@vma, and with it the mm, can go away
 * @start:	first address
 * @nr_pages:	pages in it
 * @leaves:	the state table. A leaf is installed by cmpxchg, which needs no
 *		@lock, and stays until the arena goes
 * @populated:	entries that hold a page
 * @faults:	faults handled since open
 * @moves:	elements moved since open
 * @releases:	releases done since open
 */
struct green_arena {
	struct rw_semaphore lock;
	struct vm_area_struct *vma;
	struct mm_struct *mm;
	unsigned long start;
	unsigned long nr_pages;
	struct green_leaf **leaves;
	atomic_long_t populated;
	atomic64_t faults;
	u64 moves;
	u64 releases;
};

static inline bool green_is_populated(const struct page *entry)
{
	return entry && entry != GREEN_SEALED;
}

static inline unsigned long green_index(const struct green_arena *arena,
					unsigned long addr)
{
	return (addr - arena->start) >> PAGE_SHIFT;
}

/* How many of @nr entries from @index on lie in the same leaf. */
static inline unsigned long green_run(unsigned long index, unsigned long nr)
{
	return min(nr, GREEN_LEAF_PAGES - index % GREEN_LEAF_PAGES);
}

/* The entry of page @index; NULL where there is no leaf: the page is empty. */
static inline struct page **green_slot(const struct green_arena *arena,
				       unsigned long index)
{
	struct green_leaf *leaf;

	leaf = READ_ONCE(arena->leaves[index / GREEN_LEAF_PAGES]);
	return leaf ? &leaf->pages[index % GREEN_LEAF_PAGES] : NULL;
}

struct green_arena *green_arena_create(void);
void green_arena_destroy(struct green_arena *arena);
int green_arena_mmap(struct green_arena *arena, struct vm_area_struct *vma);
int green_arena_may_split(struct vm_area_struct *vma, unsigned long addr);
int green_arena_mremap(struct vm_area_struct *vma);
vm_fault_t green_insert_page(struct vm_fault *vmf, struct page *page);
int green_arena_enter(struct green_arena *arena);
void green_arena_leave(struct green_arena *arena);
bool green_arena_contains(const struct green_arena *arena, u64 addr, u64 len);
int green_arena_add_leaves(struct green_arena *arena, unsigned long index,
			   unsigned long nr);
int green_arena_release(struct green_arena *arena,
			const struct green_release *req);
void green_arena_show(struct green_arena *arena, struct seq_file *m);

/* copy.c */
void green_copy_fork(const struct green_arena *arena,
		     struct vm_area_struct *vma);

#endif /* _GREEN_ARENA_H */
