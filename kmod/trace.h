/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints: green:green_move, green_release, green_switch, green_fault.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM green

#ifndef _GREEN_TRACE_RESULT_H
#define _GREEN_TRACE_RESULT_H

/* How a fault ended. */
enum green_fault_result {
	GREEN_FAULT_POPULATED,	/* an empty page got its page */
	GREEN_FAULT_MAPPED,	/* a populated page got its PTE back */
	GREEN_FAULT_RETRIED,	/* the page was released meanwhile */
	GREEN_FAULT_SEALED,	/* SIGSEGV */
	GREEN_FAULT_FAILED,	/* no memory for page tables */
};

#endif /* _GREEN_TRACE_RESULT_H */

#if !defined(_GREEN_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _GREEN_TRACE_H

#include <linux/tracepoint.h>

TRACE_DEFINE_ENUM(GREEN_FAULT_POPULATED);
TRACE_DEFINE_ENUM(GREEN_FAULT_MAPPED);
TRACE_DEFINE_ENUM(GREEN_FAULT_RETRIED);
TRACE_DEFINE_ENUM(GREEN_FAULT_SEALED);
TRACE_DEFINE_ENUM(GREEN_FAULT_FAILED);

/* One event a request; src and dst are those of its first element. */
TRACE_EVENT(green_move,
	TP_PROTO(u64 src, u64 dst, u32 nr, u64 pages, u32 relocs, int ret,
		 u64 ns),
	TP_ARGS(src, dst, nr, pages, relocs, ret, ns),
	TP_STRUCT__entry(
		__field(u64, src)
		__field(u64, dst)
		__field(u64, pages)
		__field(u64, ns)
		__field(u32, nr)
		__field(u32, relocs)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->src = src;
		__entry->dst = dst;
		__entry->pages = pages;
		__entry->ns = ns;
		__entry->nr = nr;
		__entry->relocs = relocs;
		__entry->ret = ret;
	),
	TP_printk("src=%#llx dst=%#llx nr=%u pages=%llu relocs=%u ret=%d ns=%llu",
		  __entry->src, __entry->dst, __entry->nr, __entry->pages,
		  __entry->relocs, __entry->ret, __entry->ns)
);

TRACE_EVENT(green_release,
	TP_PROTO(u64 addr, u64 len, u32 flags),
	TP_ARGS(addr, len, flags),
	TP_STRUCT__entry(
		__field(u64, addr)
		__field(u64, len)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->addr = addr;
		__entry->len = len;
		__entry->flags = flags;
	),
	TP_printk("addr=%#llx len=%llu flags=%#x", __entry->addr, __entry->len,
		  __entry->flags)
);

TRACE_EVENT(green_switch,
	TP_PROTO(u64 from_ip, u64 to_ip, u64 to_sp, u64 ns),
	TP_ARGS(from_ip, to_ip, to_sp, ns),
	TP_STRUCT__entry(
		__field(u64, from_ip)
		__field(u64, to_ip)
		__field(u64, to_sp)
		__field(u64, ns)
	),
	TP_fast_assign(
		__entry->from_ip = from_ip;
		__entry->to_ip = to_ip;
		__entry->to_sp = to_sp;
		__entry->ns = ns;
	),
	TP_printk("from_ip=%#llx to_ip=%#llx to_sp=%#llx ns=%llu",
		  __entry->from_ip, __entry->to_ip, __entry->to_sp, __entry->ns)
);

TRACE_EVENT(green_fault,
	TP_PROTO(unsigned long addr, enum green_fault_result result),
	TP_ARGS(addr, result),
	TP_STRUCT__entry(
		__field(unsigned long, addr)
		__field(int, result)
	),
	TP_fast_assign(
		__entry->addr = addr;
		__entry->result = result;
	),
	TP_printk("addr=%#lx result=%s", __entry->addr,
		  __print_symbolic(__entry->result,
				   { GREEN_FAULT_POPULATED, "populated" },
				   { GREEN_FAULT_MAPPED, "mapped" },
				   { GREEN_FAULT_RETRIED, "retried" },
				   { GREEN_FAULT_SEALED, "sealed" },
				   { GREEN_FAULT_FAILED, "failed" }))
);

#endif /* _GREEN_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
