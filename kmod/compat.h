/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between kernels, as probed by Kbuild.
 */
#ifndef _GREEN_COMPAT_H
#define _GREEN_COMPAT_H

#include <linux/mm.h>

/*
 * Unmap [addr, addr + len) of a VM_MIXEDMAP area and flush the TLB. A kernel
 * that exports the older function may declare the newer one too, for its own
 * use, so the older one is asked for first.
 */
static inline void green_zap(struct vm_area_struct *vma, unsigned long addr,
			     unsigned long len)
{
#if defined(GREEN_HAS_zap_page_range)
	zap_page_range(vma, addr, len);
#elif defined(GREEN_HAS_zap_page_range_single)
	zap_page_range_single(vma, addr, len, NULL);
#else
	zap_vma_range(vma, addr, len);
#endif
}

static inline void green_vm_flags_set(struct vm_area_struct *vma,
				      unsigned long flags)
{
#ifdef GREEN_HAS_vm_flags_set
	vm_flags_set(vma, flags);
#else
	vma->vm_flags |= flags;
#endif
}

#endif /* _GREEN_COMPAT_H */
