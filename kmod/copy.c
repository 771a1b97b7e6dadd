// SPDX-License-Identifier: GPL-2.0
/*
 * What the child of a fork() has of an arena: nothing, unless MADV_DOFORK has
 * asked for it. Then it is a copy of the stack that it forked on, without which
 * it could not take a step. All else of its mapping is inaccessible.
 */
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/ptrace.h>
#include <linux/sched/signal.h>
#include <linux/sched/task_stack.h>
#include <linux/slab.h>

#include "arena.h"

/* What code may use below its stack pointer. */
#define GREEN_RED_ZONE	128

/* Pages that the child may need beyond: zeroed ones, as far as none is sealed. */
#define GREEN_COPY_ROOM	16UL

/**
 * struct green_copy - pages of a child, mapped by its faults
 * @index:	of the first, in the mapping
 * @nr:		pages
 * @pages:	the pages. NULL is one to be zeroed, replaced by cmpxchg
 */
struct green_copy {
	unsigned long index;
	unsigned long nr;
	struct page *pages[] __counted_by(nr);
};

static struct green_copy *green_copy_alloc(unsigned long index,
					   unsigned long nr)
{
	struct green_copy *copy;

	copy = kvmalloc(struct_size(copy, pages, nr), GFP_KERNEL_ACCOUNT);
	if (!copy)
		return NULL;
	copy->index = index;
	copy->nr = nr;
	return copy;
}

static void green_copy_free(struct green_copy *copy, unsigned long nr)
{
	while (nr)
		if (copy->pages[--nr])
			put_page(copy->pages[nr]);
	kvfree(copy);
}

/*
 * Put a copy in the place of each page of another's. That one may be written to
 * meanwhile, by other threads; not by the one that forks.
 */
static struct green_copy *green_copy_pages(struct green_copy *copy)
{
	struct page *page;
	unsigned long i;

	for (i = 0; i < copy->nr; i++) {
		if (!copy->pages[i])
			continue;
		page = NULL;
		if (!fatal_signal_pending(current))
			page = alloc_page(GFP_KERNEL_ACCOUNT);
		if (!page) {
			green_copy_free(copy, i);
			return NULL;
		}
		copy_highpage(page, copy->pages[i]);
		copy->pages[i] = page;
		cond_resched();
	}
	return copy;
}

static vm_fault_t green_copy_fault(struct vm_fault *vmf)
{
	struct green_copy *copy = vmf->vma->vm_private_data;
	struct page **slot, *page, *fresh;

	if (!copy || vmf->pgoff < copy->index ||
	    vmf->pgoff - copy->index >= copy->nr)
		return VM_FAULT_SIGSEGV;
	slot = &copy->pages[vmf->pgoff - copy->index];
	page = READ_ONCE(*slot);
	if (!page) {
		fresh = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!fresh)
			return VM_FAULT_OOM;
		page = cmpxchg(slot, NULL, fresh);
		if (page)
			put_page(fresh);
		else
			page = fresh;
	}
	return green_insert_page(vmf, page);
}

/* A child's child, or for a moment an mremap(), which is refused. */
static void green_copy_open(struct vm_area_struct *vma)
{
	struct green_copy *from = vma->vm_private_data, *copy;
	unsigned long i;

	vma->vm_private_data = NULL;
	if (!from || vma->vm_mm == current->mm)
		return;
	copy = green_copy_alloc(from->index, from->nr);
	if (!copy)
		return;
	for (i = 0; i < from->nr; i++)
		copy->pages[i] = READ_ONCE(from->pages[i]);
	vma->vm_private_data = green_copy_pages(copy);
}

static void green_copy_close(struct vm_area_struct *vma)
{
	struct green_copy *copy = vma->vm_private_data;

	if (copy)
		green_copy_free(copy, copy->nr);
}

static const struct vm_operations_struct green_copy_vm_ops = {
	.open		= green_copy_open,
	.close		= green_copy_close,
	.may_split	= green_arena_may_split,
	.mremap		= green_arena_mremap,
	.fault		= green_copy_fault,
};

static struct page *green_entry(const struct green_arena *arena,
				unsigned long index)
{
	struct page **slot = green_slot(arena, index);

	return slot ? READ_ONCE(*slot) : NULL;
}

/*
 * From the page of the stack pointer up to the next that holds nothing, and
 * room below.
 */
static struct green_copy *green_copy_stack(const struct green_arena *arena,
					   unsigned long sp)
{
	struct green_copy *copy;
	unsigned long index, nr, room, i;

	if (!green_arena_contains(arena, sp, 1))
		return NULL;
	index = green_index(arena, sp);
	if (green_arena_contains(arena, sp - GREEN_RED_ZONE, 1) &&
	    green_is_populated(green_entry(arena, index - 1)))
		index = green_index(arena, sp - GREEN_RED_ZONE);
	for (nr = 0; index + nr < arena->nr_pages; nr++)
		if (!green_is_populated(green_entry(arena, index + nr)))
			break;
	if (!nr)
		return NULL;
	for (room = 0; room < min(index, GREEN_COPY_ROOM); room++)
		if (green_entry(arena, index - room - 1) == GREEN_SEALED)
			break;
	copy = green_copy_alloc(index - room, room + nr);
	if (!copy)
		return NULL;
	for (i = 0; i < room; i++)
		copy->pages[i] = NULL;
	for (i = 0; i < nr; i++)
		copy->pages[room + i] = green_entry(arena, index + i);
	return green_copy_pages(copy);
}

/**
 * green_copy_fork() - make @vma what a child has of an arena
 * @arena: the parent's
 * @vma: the child's mapping
 *
 * The parent's mmap_lock is held for writing: entries that are populated stay
 * so. Without memory the child has no stack, and dies by SIGSEGV.
 */
void green_copy_fork(const struct green_arena *arena,
		     struct vm_area_struct *vma)
{
	vma->vm_ops = &green_copy_vm_ops;
	vma->vm_private_data = NULL;
	/* After MADV_KEEPONFORK it shares the parent's pages. */
	if (vma->vm_flags & VM_WIPEONFORK)
		vma->vm_private_data =
			green_copy_stack(arena,
					 user_stack_pointer(current_pt_regs()));
}
