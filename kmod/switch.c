// SPDX-License-Identifier: GPL-2.0
/*
 * SWITCH: leave the system call in another context than entered it.
 */
#include <linux/ktime.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <linux/sched/task_stack.h>
#include <linux/uaccess.h>

#include <asm/prctl.h>

#include <linux/green.h>

#include "switch.h"
#include "trace.h"

/*
 * A return to a function that a SWITCH interrupted would not match the shadow
 * stack, and a module cannot change the shadow stack pointer.
 */
static bool green_has_shadow_stack(void)
{
#ifdef CONFIG_X86_USER_SHADOW_STACK
	return current->thread.features & ARCH_SHSTK_SHSTK;
#else
	return false;
#endif
}

/* Plain loads and stores: a copy of 64 bytes costs as much again in set-up. */
static int green_context_read(struct green_context *c,
			      const struct green_context __user *from)
{
	if (!user_read_access_begin(from, sizeof(*from)))
		return -EFAULT;
	unsafe_get_user(c->rip, &from->rip, fault);
	unsafe_get_user(c->rsp, &from->rsp, fault);
	unsafe_get_user(c->rbp, &from->rbp, fault);
	unsafe_get_user(c->rbx, &from->rbx, fault);
	unsafe_get_user(c->r12, &from->r12, fault);
	unsafe_get_user(c->r13, &from->r13, fault);
	unsafe_get_user(c->r14, &from->r14, fault);
	unsafe_get_user(c->r15, &from->r15, fault);
	user_read_access_end();
	return 0;
fault:
	user_read_access_end();
	return -EFAULT;
}

static int green_context_write(struct green_context __user *to,
			       const struct pt_regs *regs)
{
	if (!user_write_access_begin(to, sizeof(*to)))
		return -EFAULT;
	unsafe_put_user(regs->ip, &to->rip, fault);
	unsafe_put_user(regs->sp, &to->rsp, fault);
	unsafe_put_user(regs->bp, &to->rbp, fault);
	unsafe_put_user(regs->bx, &to->rbx, fault);
	unsafe_put_user(regs->r12, &to->r12, fault);
	unsafe_put_user(regs->r13, &to->r13, fault);
	unsafe_put_user(regs->r14, &to->r14, fault);
	unsafe_put_user(regs->r15, &to->r15, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

/**
 * green_switch() - save the caller's context, load another
 * @req: the request; its size and flags are checked
 *
 * Neither flags nor segments change: all of this user space could do by itself.
 * On the way out 0 becomes the loaded context's rax.
 *
 * Return: 0 or what struct green_switch says; then the caller goes on.
 */
int green_switch(const struct green_switch *req)
{
	struct pt_regs *regs = current_pt_regs();
	const bool traced = trace_green_switch_enabled();
	const u64 begin = traced ? ktime_get_ns() : 0;
	const u64 from = regs->ip;
	struct green_context c;
	int err;

	if (green_has_shadow_stack())
		return -EOPNOTSUPP;
	err = green_context_read(&c, u64_to_user_ptr(req->load));
	if (err)
		return err;
	if (c.rip >= TASK_SIZE_MAX || c.rsp >= TASK_SIZE_MAX)
		return -EINVAL;
	err = green_context_write(u64_to_user_ptr(req->save), regs);
	if (err)
		return err;

	regs->ip = c.rip;
	regs->sp = c.rsp;
	regs->bp = c.rbp;
	regs->bx = c.rbx;
	regs->r12 = c.r12;
	regs->r13 = c.r13;
	regs->r14 = c.r14;
	regs->r15 = c.r15;
	/* The return is by SYSRET when this is ip, and by IRET when not. */
	regs->cx = c.rip;

	if (traced)
		trace_green_switch(from, c.rip, c.rsp, ktime_get_ns() - begin);
	return 0;
}
