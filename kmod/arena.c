// SPDX-License-Identifier: GPL-2.0
/*
 * The arena: mapping it, populating it by faults, releasing its pages.
 *
 * The state table, not the page tables, says what an arena holds: a populated
 * page may lack its PTE (MADV_DONTNEED takes it away), and its next fault puts
 * the same page back. The converse never holds: a PTE goes before its entry
 * does, so nobody keeps a view of a page that was moved or freed.
 */
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include <linux/green.h>

#include "arena.h"
#include "compat.h"
#include "trace.h"

struct green_arena *green_arena_create(void)
{
	struct green_arena *arena;

	arena = kzalloc(sizeof(*arena), GFP_KERNEL_ACCOUNT);
	if (arena)
		init_rwsem(&arena->lock);
	return arena;
}

/* The VMA holds the file, so by the time the file goes the mapping is gone. */
void green_arena_destroy(struct green_arena *arena)
{
	WARN_ON_ONCE(arena->vma);
	kfree(arena);
}

/* The entry of page @index, with a leaf to hold it. Needs no lock. */
static struct page **green_slot_add(struct green_arena *arena,
				    unsigned long index)
{
	struct green_leaf **where = &arena->leaves[index / GREEN_LEAF_PAGES];
	struct green_leaf *leaf;

	BUILD_BUG_ON(sizeof(*leaf) != PAGE_SIZE);

	if (!READ_ONCE(*where)) {
		leaf = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
		if (!leaf)
			return NULL;
		if (cmpxchg(where, NULL, leaf))
			free_page((unsigned long)leaf);
	}
	return green_slot(arena, index);
}

/*
 * Make sure that changing @nr entries from @index on needs no memory. Leaves
 * that a later failure leaves unused say "empty" and cost nobody else.
 */
int green_arena_add_leaves(struct green_arena *arena, unsigned long index,
			   unsigned long nr)
{
	unsigned long n;

	for (; nr; index += n, nr -= n) {
		n = green_run(index, nr);
		if (!green_slot_add(arena, index))
			return -ENOMEM;
		cond_resched();
	}
	return 0;
}

/* Map @page at the place of a fault. */
vm_fault_t green_insert_page(struct vm_fault *vmf, struct page *page)
{
	switch (vm_insert_page(vmf->vma, vmf->address, page)) {
	case 0:
	case -EBUSY:	/* another thread's fault got here first */
		return VM_FAULT_NOPAGE;
	case -ENOMEM:
		return VM_FAULT_OOM;
	default:
		return VM_FAULT_SIGBUS;
	}
}

/*
 * The mmap_lock or the VMA's own lock is held, so the arena cannot go. Faults
 * run in parallel with each other; they exclude MOVE and RELEASE.
 */
static vm_fault_t green_arena_fault(struct vm_fault *vmf)
{
	struct green_arena *arena = vmf->vma->vm_private_data;
	struct page **slot, *page, *fresh = NULL;
	enum green_fault_result result;
	vm_fault_t ret;

	if (!arena)	/* a copy of the arena's VMA, see green_arena_open() */
		return VM_FAULT_SIGSEGV;

	atomic64_inc(&arena->faults);

	/*
	 * Allocate before taking the lock. The look at the entry is a hint,
	 * which the lock then makes a decision.
	 */
	slot = green_slot_add(arena, vmf->pgoff);
	if (!slot)
		return VM_FAULT_OOM;
	if (!READ_ONCE(*slot)) {
		fresh = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!fresh)
			return VM_FAULT_OOM;
	}

	down_read(&arena->lock);
	page = READ_ONCE(*slot);
	result = GREEN_FAULT_MAPPED;
	if (!page && fresh) {
		page = cmpxchg(slot, NULL, fresh);
		if (!page) {
			atomic_long_inc(&arena->populated);
			page = fresh;
			fresh = NULL;
			result = GREEN_FAULT_POPULATED;
		}
	}

	if (!page) {
		/* Released since the hint was taken: the access comes again. */
		result = GREEN_FAULT_RETRIED;
		ret = VM_FAULT_NOPAGE;
	} else if (page == GREEN_SEALED) {
		result = GREEN_FAULT_SEALED;
		ret = VM_FAULT_SIGSEGV;
	} else {
		ret = green_insert_page(vmf, page);
		if (ret != VM_FAULT_NOPAGE)
			result = GREEN_FAULT_FAILED;
	}
	up_read(&arena->lock);

	if (fresh)
		put_page(fresh);
	trace_green_fault(vmf->address, result);
	return ret;
}

/*
 * A second VMA of an arena. mremap() makes one for the moment until
 * green_arena_mremap() refuses; fork makes one after MADV_DOFORK, with the
 * pages then mapped only after MADV_KEEPONFORK as well. The arena stays with
 * the first: this one sees no more of it.
 */
static void green_arena_open(struct vm_area_struct *vma)
{
	struct green_arena *arena = vma->vm_private_data;

	vma->vm_private_data = NULL;
	if (arena && READ_ONCE(arena->mm) != vma->vm_mm)
		green_copy_fork(arena, vma);
}

static void green_arena_free_leaf(struct green_leaf *leaf)
{
	unsigned long i;

	for (i = 0; i < GREEN_LEAF_PAGES; i++)
		if (green_is_populated(leaf->pages[i]))
			put_page(leaf->pages[i]);
	free_page((unsigned long)leaf);
}

/*
 * The PTEs are gone, and so is the VMA from its mm. That mm may be in use:
 * munmap() comes here with mmap_lock held only for reading.
 */
static void green_arena_close(struct vm_area_struct *vma)
{
	struct green_arena *arena = vma->vm_private_data;
	struct green_leaf **leaves;
	unsigned long i, nr;

	if (!arena)
		return;

	down_write(&arena->lock);
	leaves = arena->leaves;
	nr = DIV_ROUND_UP(arena->nr_pages, GREEN_LEAF_PAGES);
	arena->vma = NULL;
	WRITE_ONCE(arena->mm, NULL);
	arena->start = 0;
	arena->nr_pages = 0;
	arena->leaves = NULL;
	atomic_long_set(&arena->populated, 0);
	up_write(&arena->lock);

	for (i = 0; i < nr; i++) {
		if (leaves[i])
			green_arena_free_leaf(leaves[i]);
		cond_resched();
	}
	kvfree(leaves);
}

int green_arena_may_split(struct vm_area_struct *vma, unsigned long addr)
{
	return -EINVAL;
}

int green_arena_mremap(struct vm_area_struct *vma)
{
	return -EINVAL;
}

static const struct vm_operations_struct green_arena_vm_ops = {
	.open		= green_arena_open,
	.close		= green_arena_close,
	.may_split	= green_arena_may_split,
	.mremap		= green_arena_mremap,
	.fault		= green_arena_fault,
};

/**
 * green_arena_mmap() - make @vma the arena
 * @arena: the context
 * @vma: a fresh mapping, mmap_lock held for writing
 *
 * Return: 0; -EBUSY when there is one already; -EINVAL when the mapping is
 * private, has an offset or is too large; -ENOMEM.
 */
int green_arena_mmap(struct green_arena *arena, struct vm_area_struct *vma)
{
	unsigned long nr_pages = vma_pages(vma);
	struct green_leaf **leaves;
	int err = 0;

	/* VM_SHARED, not VM_MAYSHARE: a read-only open cannot hold stacks. */
	if (!(vma->vm_flags & VM_SHARED) || vma->vm_pgoff ||
	    nr_pages > GREEN_MAX_ARENA >> PAGE_SHIFT)
		return -EINVAL;

	down_write(&arena->lock);
	if (arena->vma) {
		err = -EBUSY;
		goto out;
	}

	leaves = kvcalloc(DIV_ROUND_UP(nr_pages, GREEN_LEAF_PAGES),
			  sizeof(*leaves), GFP_KERNEL_ACCOUNT);
	if (!leaves) {
		err = -ENOMEM;
		goto out;
	}

	arena->leaves = leaves;
	arena->start = vma->vm_start;
	arena->nr_pages = nr_pages;
	arena->vma = vma;
	WRITE_ONCE(arena->mm, vma->vm_mm);

	/*
	 * Not VM_IO: user pages may be pinned, for io_uring and the like. So
	 * MADV_DOFORK is not refused, and VM_WIPEONFORK leaves the child's
	 * copy without pages of ours.
	 */
	green_vm_flags_set(vma, VM_MIXEDMAP | VM_DONTCOPY | VM_WIPEONFORK |
				VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_private_data = arena;
	vma->vm_ops = &green_arena_vm_ops;
out:
	up_write(&arena->lock);
	return err;
}

/**
 * green_arena_enter() - lock the arena to change it
 * @arena: the context
 *
 * Return: 0 with mmap_lock held for reading and the arena for writing, until
 * green_arena_leave(); -ENXIO without an arena; -EPERM if it is another
 * address space's.
 */
int green_arena_enter(struct green_arena *arena)
{
	struct mm_struct *mm = current->mm;
	int err;

	mmap_read_lock(mm);
	down_write(&arena->lock);

	err = -ENXIO;
	if (!arena->vma)
		goto out;
	err = -EPERM;
	if (arena->mm != mm)
		goto out;
	/*
	 * munmap() takes the VMA out of the mm, lets go of the write lock and
	 * only then tears down and closes. Such a VMA is no longer ours to
	 * map pages into.
	 */
	err = -ENXIO;
	if (vma_lookup(mm, arena->start) != arena->vma)
		goto out;
	return 0;
out:
	green_arena_leave(arena);
	return err;
}

void green_arena_leave(struct green_arena *arena)
{
	up_write(&arena->lock);
	mmap_read_unlock(current->mm);
}

bool green_arena_contains(const struct green_arena *arena, u64 addr, u64 len)
{
	u64 size = (u64)arena->nr_pages << PAGE_SHIFT;
	u64 offset = addr - arena->start;

	return addr >= arena->start && offset < size && len <= size - offset;
}

static bool green_arena_any_populated(const struct green_arena *arena,
				      unsigned long index, unsigned long nr)
{
	struct page **slot;
	unsigned long i, n;

	for (; nr; index += n, nr -= n) {
		n = green_run(index, nr);
		slot = green_slot(arena, index);
		for (i = 0; slot && i < n; i++)
			if (green_is_populated(slot[i]))
				return true;
		cond_resched();
	}
	return false;
}

/* Free what the range holds. Its PTEs are gone, its leaves there to seal. */
static void green_arena_reset(struct green_arena *arena, unsigned long index,
			      unsigned long nr, struct page *state)
{
	struct page **slot;
	unsigned long i, n;

	for (; nr; index += n, nr -= n) {
		n = green_run(index, nr);
		slot = green_slot(arena, index);
		for (i = 0; slot && i < n; i++) {
			if (green_is_populated(slot[i])) {
				put_page(slot[i]);
				atomic_long_dec(&arena->populated);
			}
			WRITE_ONCE(slot[i], state);
		}
		cond_resched();
	}
}

/**
 * green_arena_release() - free the pages of a range, leave it empty or sealed
 * @arena: the context
 * @req: the request; its size is checked
 *
 * Return: 0 or what struct green_release says; then nothing has changed.
 */
int green_arena_release(struct green_arena *arena,
			const struct green_release *req)
{
	struct page *state = req->flags & GREEN_RELEASE_SEAL ? GREEN_SEALED : NULL;
	unsigned long index, nr;
	int err;

	if (req->flags & ~GREEN_RELEASE_SEAL || !req->len ||
	    !PAGE_ALIGNED(req->addr | req->len))
		return -EINVAL;

	err = green_arena_enter(arena);
	if (err)
		return err;

	err = -ENXIO;
	if (!green_arena_contains(arena, req->addr, req->len))
		goto out;

	index = green_index(arena, req->addr);
	nr = req->len >> PAGE_SHIFT;
	if (state) {
		err = green_arena_add_leaves(arena, index, nr);
		if (err)
			goto out;
	}

	/* Past this point nothing fails. */
	if (green_arena_any_populated(arena, index, nr))
		green_zap(arena->vma, req->addr, req->len);
	green_arena_reset(arena, index, nr, state);
	arena->releases++;
	trace_green_release(req->addr, req->len, req->flags);
	err = 0;
out:
	green_arena_leave(arena);
	return err;
}

/* What /proc/<pid>/fdinfo shows. The reader may be any process. */
void green_arena_show(struct green_arena *arena, struct seq_file *m)
{
	down_read(&arena->lock);
	seq_printf(m, "arena-addr:\t%#lx\n", arena->start);
	seq_printf(m, "arena-len:\t%lu\n", arena->nr_pages << PAGE_SHIFT);
	seq_printf(m, "populated:\t%ld\n", atomic_long_read(&arena->populated));
	seq_printf(m, "faults:\t%lld\n", atomic64_read(&arena->faults));
	seq_printf(m, "moves:\t%llu\n", arena->moves);
	seq_printf(m, "releases:\t%llu\n", arena->releases);
	up_read(&arena->lock);
}
