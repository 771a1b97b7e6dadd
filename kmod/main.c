// SPDX-License-Identifier: GPL-2.0
/*
 * /dev/green: contexts, and the calls on them. include/uapi/linux/green.h is
 * the contract.
 */
#include <linux/build_bug.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/uaccess.h>

#include <linux/green.h>

#include "arena.h"
#include "move.h"
#include "switch.h"

/* Sizes of the structs' first versions. They never change. */
#define GREEN_QUERY_SIZE_V1	72
#define GREEN_MOVE_SIZE_V1	24
#define GREEN_RELEASE_SIZE_V1	24
#define GREEN_SWITCH_SIZE_V1	24

/* These two come in arrays or by bare pointer, without a size of their own. */
static_assert(sizeof(struct green_move_elem) == 48);
static_assert(sizeof(struct green_context) == 64);

/*
 * A request as this kernel knows it, read by plain loads: a SWITCH costs little
 * more than entering the kernel, so how its request is read shows.
 *
 * Return: 1 when it was read, 0 when it has another size, or -EFAULT.
 */
static __always_inline int green_read_same_size(u64 *req, size_t ksize,
						const u64 __user *arg)
{
	size_t i;

	if (!user_read_access_begin(arg, ksize))
		return -EFAULT;
	/* The size and the flags. */
	unsafe_get_user(req[0], arg, fault);
	if ((u32)req[0] != ksize) {
		user_read_access_end();
		return 0;
	}
	for (i = 1; i < ksize / sizeof(*req); i++)
		unsafe_get_user(req[i], arg + i, fault);
	user_read_access_end();
	return 1;
fault:
	user_read_access_end();
	return -EFAULT;
}

static int green_read_other_size(void *req, size_t ksize, size_t min_size,
				 const void __user *arg)
{
	u32 size;
	int err;

	if (get_user(size, (const u32 __user *)arg))
		return -EFAULT;
	if (size < min_size)
		return -EINVAL;
	/* Longer than any request will ever be. */
	if (size > PAGE_SIZE)
		return -E2BIG;
	err = copy_struct_from_user(req, ksize, arg, size);
	/* It may have been changed since it was read. */
	*(u32 *)req = size;
	return err;
}

/* Read a request of @ksize bytes, whose first version had @min_size. */
static __always_inline int green_read(void *req, size_t ksize, size_t min_size,
				      const void __user *arg)
{
	int ret;

	BUILD_BUG_ON(ksize % sizeof(u64) || ksize < min_size);

	ret = green_read_same_size(req, ksize, arg);
	if (!ret)
		return green_read_other_size(req, ksize, min_size, arg);
	return min(ret, 0);
}

/*
 * For the calls that do not lock the arena: whoever inherited the file or was
 * passed it must not use it.
 */
static bool green_is_foreign(const struct green_arena *arena)
{
	const struct mm_struct *mm = READ_ONCE(arena->mm);

	return mm && mm != current->mm;
}

static int green_ioctl_query(struct green_arena *arena, void __user *arg)
{
	struct green_query query;
	int err;

	err = green_read(&query, sizeof(query), GREEN_QUERY_SIZE_V1, arg);
	if (err)
		return err;
	if (query.flags)
		return -EINVAL;
	if (green_is_foreign(arena))
		return -EPERM;

	query.abi_version = GREEN_ABI_VERSION;
	query.page_size = PAGE_SIZE;
	query.features = GREEN_FEATURE_MOVE | GREEN_FEATURE_RELEASE |
			 GREEN_FEATURE_SWITCH;
	query.max_arena = GREEN_MAX_ARENA;
	query.max_moves = GREEN_MAX_MOVES;
	query.max_relocs = GREEN_MAX_RELOCS;

	down_read(&arena->lock);
	query.arena_addr = arena->start;
	query.arena_len = (u64)arena->nr_pages << PAGE_SHIFT;
	query.pages = atomic_long_read(&arena->populated);
	query.moves = arena->moves;
	up_read(&arena->lock);

	if (copy_to_user(arg, &query, min_t(size_t, query.size, sizeof(query))))
		return -EFAULT;
	return 0;
}

static int green_ioctl_move(struct green_arena *arena, void __user *arg)
{
	struct green_move __user *umove = arg;
	struct green_move move;
	u32 failed;
	int err;

	err = green_read(&move, sizeof(move), GREEN_MOVE_SIZE_V1, arg);
	if (err)
		return err;
	err = green_move(arena, &move, &failed);
	/* The call has failed already; that it cannot say where adds nothing. */
	if (err)
		put_user(failed, &umove->failed);
	return err;
}

static int green_ioctl_release(struct green_arena *arena, void __user *arg)
{
	struct green_release release;
	int err;

	err = green_read(&release, sizeof(release), GREEN_RELEASE_SIZE_V1, arg);
	if (err)
		return err;
	return green_arena_release(arena, &release);
}

static int green_ioctl_switch(struct green_arena *arena, void __user *arg)
{
	struct green_switch sw;
	int err;

	err = green_read(&sw, sizeof(sw), GREEN_SWITCH_SIZE_V1, arg);
	if (err)
		return err;
	if (sw.flags)
		return -EINVAL;
	if (green_is_foreign(arena))
		return -EPERM;
	return green_switch(&sw);
}

static long green_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct green_arena *arena = file->private_data;
	void __user *uarg = (void __user *)arg;

	switch (cmd) {
	case GREEN_IOC_SWITCH:
		return green_ioctl_switch(arena, uarg);
	case GREEN_IOC_MOVE:
		return green_ioctl_move(arena, uarg);
	case GREEN_IOC_RELEASE:
		return green_ioctl_release(arena, uarg);
	case GREEN_IOC_QUERY:
		return green_ioctl_query(arena, uarg);
	default:
		return -ENOTTY;
	}
}

static int green_open(struct inode *inode, struct file *file)
{
	struct green_arena *arena;

	arena = green_arena_create();
	if (!arena)
		return -ENOMEM;
	file->private_data = arena;
	return 0;
}

static int green_release(struct inode *inode, struct file *file)
{
	green_arena_destroy(file->private_data);
	return 0;
}

static int green_mmap(struct file *file, struct vm_area_struct *vma)
{
	return green_arena_mmap(file->private_data, vma);
}

static void green_show_fdinfo(struct seq_file *m, struct file *file)
{
	green_arena_show(file->private_data, m);
}

static const struct file_operations green_fops = {
	.owner		= THIS_MODULE,
	.open		= green_open,
	.release	= green_release,
	.mmap		= green_mmap,
	.unlocked_ioctl	= green_ioctl,
	.show_fdinfo	= green_show_fdinfo,
};

/* Mode 0600 until 99-green.rules says otherwise. */
static struct miscdevice green_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "green",
	.fops	= &green_fops,
};
module_misc_device(green_misc);

MODULE_DESCRIPTION("Stack arenas, stack moves and context switches for green threads");
MODULE_AUTHOR("The green authors");
MODULE_LICENSE("GPL");
