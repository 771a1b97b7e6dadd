/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The emitted code keeps no stack address of its own making over a call.
 *
 * Values of the program reach statepoint slots; what remains are addresses that
 * code generation computes from rsp or rbp. The check follows them through the
 * general registers, forward, over all paths: such an address may be used at
 * once, but must not be stored, moved to a vector register, or lie in a
 * callee-saved register at a call. The launder blocks of the pass are where
 * frame addresses become values of the program, so their results are clean.
 * The thread pointer is followed in the same way: the thread may go on as
 * another one of the system's.
 */
#include "greenmap.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum reg {
	RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI,
	R8, R9, R10, R11, R12, R13, R14, R15,
	NR_REGS,
	RIP, VECTOR, NO_REG,
};

#define BIT(r)		(1u << (r))
#define FRAME_REGS	(BIT(RSP) | BIT(RBP))
#define CALLEE_SAVED	(BIT(RBX) | BIT(R12) | BIT(R13) | BIT(R14) | BIT(R15))

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
	const char *text;	/* of the operands */
};

struct checker {
	struct module *m;
	struct function *f;
	uint16_t *in;		/* addresses in registers before each line */
	bool *reached;
	size_t *work;
	size_t nr_work;
	bool *queued;
};

/* -- parsing -------------------------------------------------------------- */

static enum reg parse_reg(const char *s, size_t n, unsigned int *bytes)
{
	static const char *const names[4][8] = {
		{ "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi" },
		{ "eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi" },
		{ "ax", "cx", "dx", "bx", "sp", "bp", "si", "di" },
		{ "al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil" },
	};
	static const char *const high[] = { "ah", "ch", "dh", "bh" };

	for (unsigned int w = 0; w < 4; w++)
		for (unsigned int r = 0; r < 8; r++)
			if (strlen(names[w][r]) == n && !strncmp(s, names[w][r], n)) {
				*bytes = 8 >> w;
				return r;
			}
	for (unsigned int r = 0; r < 4; r++)
		if (n == 2 && !strncmp(s, high[r], n)) {
			*bytes = 1;
			return r;
		}
	if (n >= 2 && s[0] == 'r' && isdigit((unsigned char)s[1])) {
		char *end;
		unsigned long r = strtoul(s + 1, &end, 10);

		*bytes = *end == 'd' ? 4 : *end == 'w' ? 2 : *end == 'b' ? 1 : 8;
		return r < NR_REGS ? (enum reg)r : VECTOR;
	}
	*bytes = 8;
	return n == 3 && !strncmp(s, "rip", 3) ? RIP : VECTOR;
}

static enum reg reg_at(const char *s, unsigned int *bytes)
{
	return parse_reg(s + 1, strcspn(s + 1, "),{} \t"), bytes);
}

static struct operand parse_operand(const char *s)
{
	struct operand o = { .type = OP_OTHER, .reg = NO_REG, .index = NO_REG };
	const char *p = strchr(s, '(');
	unsigned int bytes;

	if (*s == '*')
		s++;
	if (*s == '$')
		return o;
	if (*s == '%' && !strchr(s, ':')) {
		o.type = OP_REG;
		o.reg = reg_at(s, &o.bytes);
		return o;
	}
	o.type = OP_MEM;
	if (!p)
		return o;
	if (p[1] == '%')
		o.reg = reg_at(p + 1, &bytes);
	p = strchr(p, ',');
	if (p && (p = strchr(p, '%')))
		o.index = reg_at(p, &bytes);
	return o;
}

static const char *skip_prefixes(const char *s)
{
	static const char *const prefixes[] = {
		"lock", "rep", "repe", "repz", "repne", "repnz", "notrack", "data16",
		"bnd", "cs", "ds", "es", "fs", "gs", "ss",
	};

	for (;;) {
		size_t n = strcspn(s, " \t"), i;

		for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
			if (strlen(prefixes[i]) == n && !strncmp(s, prefixes[i], n))
				break;
		if (i == sizeof(prefixes) / sizeof(prefixes[0]) || !s[n])
			return s;
		s += n + strspn(s + n, " \t");
	}
}

static void parse_insn(const char *s, struct insn *in)
{
	char buf[256];
	size_t n, depth = 0;
	char *p, *start;

	memset(in, 0, sizeof(*in));
	s = skip_prefixes(s);
	n = strcspn(s, " \t");
	snprintf(in->name, sizeof(in->name), "%.*s", (int)n, s);
	in->text = s + n + strspn(s + n, " \t");
	snprintf(buf, sizeof(buf), "%s", in->text);
	for (p = start = buf; *start; p++) {
		depth += *p == '(';
		depth -= *p == ')';
		if ((*p != ',' || depth) && *p)
			continue;
		if (in->nr < 5) {
			bool last = !*p;

			*p = '\0';
			in->op[in->nr++] = parse_operand(start);
			if (last)
				return;
		}
		start = p + 1 + strspn(p + 1, " \t");
		p = start - 1;
	}
}

static bool is_label(const char *s)
{
	size_t n = strlen(s);

	return n > 1 && s[n - 1] == ':' && (s[0] == '"' || !strpbrk(s, " \t"));
}

static bool is_insn(const struct line *l)
{
	return l->text[0] && l->text[0] != '.' && !is_label(l->text);
}

static bool starts(const char *s, const char *word)
{
	return !strncmp(s, word, strlen(word));
}

/* -- one instruction ------------------------------------------------------ */

static uint16_t bit_of(enum reg r)
{
	return r < NR_REGS ? BIT(r) : 0;
}

/* Does the operand itself hold a frame address? */
static bool holds(const struct operand *o, uint16_t state)
{
	return o->type == OP_REG && o->bytes == 8 &&
	       bit_of(o->reg) & (state | FRAME_REGS);
}

static bool any_source_holds(const struct insn *in, uint16_t state)
{
	for (unsigned int i = 0; i + 1 < in->nr; i++)
		if (holds(&in->op[i], state))
			return true;
	return false;
}

/* rbp and rsp are changed by the prologue and the epilogue alone. */
static bool allowed_frame_write(const struct insn *in)
{
	const struct operand *d = &in->op[in->nr - 1];

	if (d->reg == RSP)
		return true;
	return starts(in->name, "pop") ||
	       (starts(in->name, "mov") && in->nr == 2 && in->op[0].type == OP_REG &&
		in->op[0].reg == RSP);
}

static bool writes_nothing(const char *n)
{
	return starts(n, "cmp") ? !starts(n, "cmpxchg") :
	       starts(n, "test") || starts(n, "nop") || starts(n, "ucomis") ||
	       starts(n, "comis") || starts(n, "prefetch") || !strcmp(n, "btq") ||
	       !strcmp(n, "btl");
}

/* The new state of a register destination. */
static uint16_t set(uint16_t state, const struct operand *d, bool address)
{
	if (d->reg >= NR_REGS || BIT(d->reg) & FRAME_REGS)
		return state;
	if (address)
		return state | BIT(d->reg);
	return d->bytes >= 4 ? state & ~BIT(d->reg) : state;
}

static bool lea_of_frame(const struct operand *m, uint16_t state)
{
	return (bit_of(m->reg) | bit_of(m->index)) & (state | FRAME_REGS);
}

/* Returns false if the instruction puts an address where no map sees it. */
static bool transfer(const struct insn *in, uint16_t *state)
{
	const struct operand *d = in->nr ? &in->op[in->nr - 1] : NULL;
	const char *n = in->name;

	if (starts(n, "call")) {
		/* No safepoint, and it leaves the registers as they are. */
		if (starts(in->text + (in->text[0] == '*'), "green_escape"))
			return true;
		if (*state & CALLEE_SAVED)
			return false;
		*state &= CALLEE_SAVED;
		return true;
	}
	if (!d || writes_nothing(n) || n[0] == 'j')
		return true;
	if (starts(n, "push"))
		return d->type != OP_REG || d->reg == RBP || !holds(d, *state);
	if (d->type == OP_REG && d->reg == RBP && !allowed_frame_write(in))
		return false;
	if (in->nr == 1) {
		if (starts(n, "pop"))
			*state = set(*state, d, false);
		else if ((starts(n, "mul") || starts(n, "imul") || starts(n, "div") ||
			  starts(n, "idiv")) && holds(d, *state))
			*state |= BIT(RAX) | BIT(RDX);
		return true;
	}
	if (starts(n, "xchg") || starts(n, "xadd") || starts(n, "cmpxchg")) {
		bool any = holds(&in->op[0], *state) || holds(d, *state);

		if (d->type == OP_MEM || in->op[0].type == OP_MEM)
			return !any;
		*state = set(set(*state, d, any), &in->op[0], any);
		return true;
	}
	if (d->type == OP_MEM)
		return !any_source_holds(in, *state);
	if (d->type != OP_REG)
		return true;
	if (starts(n, "lea")) {
		*state = set(*state, d, d->bytes == 8 && lea_of_frame(&in->op[0], *state));
		return true;
	}
	if (d->reg == VECTOR)
		return !any_source_holds(in, *state);
	if (starts(n, "mov")) {
		*state = set(*state, d, holds(&in->op[0], *state) ||
					starts(in->text, "%fs:0,"));
		return true;
	}
	if ((starts(n, "xor") || starts(n, "sub")) && in->nr == 2 &&
	    in->op[0].type == OP_REG && in->op[0].reg == d->reg) {
		*state = set(*state, d, false);
		return true;
	}
	if (any_source_holds(in, *state))
		*state = set(*state, d, true);
	return true;
}

/* What inline assembly leaves: the pass's launder blocks give clean values. */
static void transfer_app(const struct insn *in, uint16_t *state)
{
	if (!strcmp(in->name, "leaq") && in->nr == 2 && in->op[1].type == OP_REG)
		*state = set(*state, &in->op[1], false);
}

/* -- the whole function --------------------------------------------------- */

static void flow_to(struct checker *c, size_t line, uint16_t state)
{
	if (line >= c->f->last)
		return;
	if (c->reached[line - c->f->first] && !(state & ~c->in[line - c->f->first]))
		return;
	c->reached[line - c->f->first] = true;
	c->in[line - c->f->first] |= state;
	if (!c->queued[line - c->f->first]) {
		c->queued[line - c->f->first] = true;
		c->work[c->nr_work++] = line;
	}
}

static void flow_to_all_labels(struct checker *c, uint16_t state)
{
	for (size_t i = c->f->first; i < c->f->last; i++)
		if (is_label(c->m->lines[i].text))
			flow_to(c, i, state);
}

static void jump(struct checker *c, const struct insn *in, uint16_t state)
{
	size_t line;

	if (in->text[0] == '*') {
		flow_to_all_labels(c, state);
	} else {
		line = module_label(c->m, c->f, in->text);
		if (line)
			flow_to(c, line, state);
	}
}

static bool falls_through(const char *n)
{
	return strcmp(n, "jmp") && !starts(n, "ret") && strcmp(n, "ud2");
}

/* Runs one line; false if it breaks the promise. */
static bool step(struct checker *c, size_t line)
{
	uint16_t state = c->in[line - c->f->first];
	const struct line *l = &c->m->lines[line];
	struct insn in;

	if (!is_insn(l)) {
		flow_to(c, line + 1, state);
		return true;
	}
	parse_insn(l->text, &in);
	if (l->app) {
		transfer_app(&in, &state);
		flow_to(c, line + 1, state);
		return true;
	}
	if (!transfer(&in, &state))
		return false;
	if (in.name[0] == 'j')
		jump(c, &in, state);
	if (falls_through(in.name))
		flow_to(c, line + 1, state);
	return true;
}

static bool makes_calls(struct module *m, struct function *f)
{
	for (size_t i = f->first; i < f->last; i++) {
		struct insn in;

		if (!is_insn(&m->lines[i]))
			continue;
		parse_insn(m->lines[i].text, &in);
		if (starts(in.name, "call"))
			return true;
	}
	return false;
}

/* Room that the prologue takes, and whether it sets up a frame pointer. */
static bool read_prologue(struct module *m, struct function *f)
{
	bool frame_pointer = false;

	f->frame = 8;
	for (size_t i = f->first; i < f->last; i++) {
		struct insn in;

		if (m->lines[i].app || !is_insn(&m->lines[i]))
			continue;
		parse_insn(m->lines[i].text, &in);
		if (starts(in.name, "call") || starts(in.name, "ret"))
			break;
		if (starts(in.name, "push"))
			f->frame += 8;
		if (in.nr == 2 && in.op[1].type == OP_REG && in.op[1].reg == RSP &&
		    in.text[0] == '$') {
			if (starts(in.name, "sub"))
				f->frame += strtoul(in.text + 1, NULL, 0);
			if (starts(in.name, "and"))
				f->frame += -strtol(in.text + 1, NULL, 0);
		}
		/* A probing loop runs down to here. */
		if (starts(in.name, "lea") && in.nr == 2 && in.op[0].reg == RSP &&
		    in.op[1].type == OP_REG && in.op[1].reg == R11 && in.text[0] == '-')
			f->frame += strtoul(in.text + 1, NULL, 0);
		if (starts(in.name, "mov") && in.nr == 2 && in.op[1].type == OP_REG &&
		    in.op[0].type == OP_REG && in.op[1].reg == RBP && in.op[0].reg == RSP)
			frame_pointer = true;
	}
	return frame_pointer;
}

/* After the first call only the epilogue may change rsp. */
static bool keeps_rsp(struct module *m, struct function *f, size_t *bad)
{
	bool called = false;

	for (size_t i = f->first; i < f->last; i++) {
		struct insn in;

		if (m->lines[i].app || !is_insn(&m->lines[i]))
			continue;
		parse_insn(m->lines[i].text, &in);
		called |= starts(in.name, "call");
		*bad = i;
		if (called && (starts(in.name, "push") ||
			       (starts(in.name, "sub") && in.nr == 2 &&
				in.op[1].type == OP_REG && in.op[1].reg == RSP)))
			return false;
	}
	return true;
}

void function_check(struct module *m, struct function *f)
{
	size_t n = f->last - f->first + 1;
	struct checker c = {
		.m = m, .f = f,
		.in = calloc(n, sizeof(*c.in)),
		.reached = calloc(n, sizeof(*c.reached)),
		.work = calloc(n, sizeof(*c.work)),
		.queued = calloc(n, sizeof(*c.queued)),
	};
	bool frame_pointer = read_prologue(m, f);
	size_t bad;

	if (!c.in || !c.reached || !c.work || !c.queued)
		die(m->path, 0, "out of memory");
	if (!frame_pointer && makes_calls(m, f))
		function_unverify(f, GREEN_WHY_CODEGEN, f->first);
	if (!keeps_rsp(m, f, &bad))
		function_unverify(f, GREEN_WHY_CODEGEN, bad);
	flow_to(&c, f->first, 0);
	while (f->flags & GREEN_MAP_VERIFIED && c.nr_work) {
		size_t line = c.work[--c.nr_work];

		c.queued[line - f->first] = false;
		if (!step(&c, line))
			function_unverify(f, GREEN_WHY_CODEGEN, line);
	}
	free(c.in);
	free(c.reached);
	free(c.work);
	free(c.queued);
}
