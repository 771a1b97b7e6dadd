/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* An instruction, taken apart. */
#ifndef GREENMAP_INSN_H
#define GREENMAP_INSN_H

#include <stdbool.h>

enum reg {
	RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI,
	R8, R9, R10, R11, R12, R13, R14, R15,
	NR_REGS,
	RIP,
	VECTOR,		/* or one of masks, floating point, segments */
	NO_REG,
	UNKNOWN_REG,
};

enum operand_type { OP_REG, OP_MEM, OP_OTHER };

struct operand {
	enum operand_type type;
	enum reg reg;		/* or the base of memory */
	enum reg index;
	unsigned int bytes;	/* of a register */
};

struct insn {
	char name[24];
	struct operand op[5];
	unsigned int nr;
	bool cut;		/* there is more than fits in here */
	const char *text;	/* of the operands */
};

/* insn.c */
void insn_parse(const char *s, struct insn *in);

/* known.c */
bool insn_is_known(const struct insn *in);
bool directive_is_known(const char *s);

#endif
