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
#include "insn.h"

#include <stdlib.h>
#include <string.h>

#define BIT(r)		(1u << (r))
#define FRAME_REGS	(BIT(RSP) | BIT(RBP))
#define CALLEE_SAVED	(BIT(RBX) | BIT(R12) | BIT(R13) | BIT(R14) | BIT(R15))

struct checker {
	struct module *m;
	struct function *f;
	uint16_t *in;		/* addresses in registers before each line */
	bool *reached;
	size_t *work;
	size_t nr_work;
	bool *queued;
};

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

/* The barrier: no safepoint, and it leaves the registers as they are. */
static bool is_barrier(const char *callee)
{
	static const char *const names[] = {
		"green_escape", "green_escape_to", "green_escape_loop",
		"green_escape_copy", "green_escape_copy_to", "green_escape_lend",
		"green_escape_end", "green_escape_dead", "green_escape_all",
	};
	size_t n;

	callee += *callee == '*';
	n = strcspn(callee, "@( ");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strlen(names[i]) == n && !strncmp(callee, names[i], n))
			return true;
	return false;
}

/* What it names is not all: registers that it reads or writes besides. */
static bool transfer_unnamed(const struct insn *in, uint16_t state)
{
	if (starts(in->name, "cmpxchg8b") || starts(in->name, "cmpxchg16b"))
		return !(state & (BIT(RBX) | BIT(RCX)));
	if (starts(in->name, "mulx"))
		return !(state & BIT(RDX)) && !any_source_holds(in, state);
	return true;
}

/* Returns false if the instruction puts an address where no map sees it. */
static bool transfer(const struct insn *in, uint16_t *state)
{
	const struct operand *d = in->nr ? &in->op[in->nr - 1] : NULL;
	const char *n = in->name;

	if (starts(n, "call")) {
		if (is_barrier(in->text))
			return true;
		if (*state & CALLEE_SAVED)
			return false;
		*state &= CALLEE_SAVED;
		return true;
	}
	if (!d || writes_nothing(n) || n[0] == 'j')
		return true;
	if (!transfer_unnamed(in, *state))
		return false;
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

/* Is it "%rsp" and its like, not as the base of an address? */
static bool names_frame_register(const char *s)
{
	static const char *const names[] = { "rsp", "esp", "sp", "rbp", "ebp", "bp" };
	size_t depth = 0, n;

	for (; *s; s++) {
		depth += *s == '(';
		depth -= *s == ')' && depth;
		if (*s != '%' || depth)
			continue;
		n = strspn(s + 1, "abcdefghijklmnopqrstuvwxyz0123456789");
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (strlen(names[i]) == n && !strncmp(s + 1, names[i], n))
				return true;
	}
	return false;
}

/*
 * What inline assembly gets of addresses is the pass's business, and what it leaves
 * are values of the program, as the results of the launder blocks are. But it may
 * not take the frame's registers behind the pass's back: only compare them.
 */
static bool transfer_app(const char *text, const struct insn *in, uint16_t *state)
{
	if (!starts(in->name, "cmp") && names_frame_register(text))
		return false;
	if (!strcmp(in->name, "leaq") && in->nr == 2 && in->op[1].type == OP_REG)
		*state = set(*state, &in->op[1], false);
	return true;
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

/* Other functions may be jumped to, for this one's frame is gone then. */
static bool jump(struct checker *c, const struct insn *in, uint16_t state)
{
	size_t line;

	if (in->text[0] == '*' && strstr(in->text, "@GOTPCREL"))
		return true;
	if (in->text[0] == '*') {
		flow_to_all_labels(c, state);
		return true;
	}
	line = module_label(c->m, c->f, in->text);
	if (line)
		flow_to(c, line, state);
	return line || !starts(in->text, ".L");
}

static bool falls_through(const char *n)
{
	return strcmp(n, "jmp") && !starts(n, "ret") && strcmp(n, "ud2");
}

static bool refuse(struct checker *c, size_t line, unsigned int why, const char *note)
{
	function_unverify(c->f, why, line);
	if (c->f->why_line == line)
		c->f->why_note = note;
	return false;
}

static bool step_insn(struct checker *c, size_t line, uint16_t state)
{
	const struct line *l = &c->m->lines[line];
	struct insn in;

	insn_parse(l->text, &in);
	if (l->app && !transfer_app(l->text, &in, &state))
		return refuse(c, line, GREEN_WHY_CONTROL, NULL);
	if (!l->app && !insn_is_known(&in))
		return refuse(c, line, GREEN_WHY_CODEGEN, "unknown instruction");
	if (!l->app && !transfer(&in, &state))
		return refuse(c, line, GREEN_WHY_CODEGEN, NULL);
	if (!l->app && in.name[0] == 'j' && !jump(c, &in, state))
		return refuse(c, line, GREEN_WHY_CODEGEN, "unknown label");
	if (l->app || falls_through(in.name))
		flow_to(c, line + 1, state);
	return true;
}

/* Runs one line. */
static void step(struct checker *c, size_t line)
{
	const struct line *l = &c->m->lines[line];

	if (is_insn(l))
		step_insn(c, line, c->in[line - c->f->first]);
	else if (l->text[0] && !l->app && !is_label(l->text) && !directive_is_known(l->text))
		refuse(c, line, GREEN_WHY_CODEGEN, "unknown directive");
	else
		flow_to(c, line + 1, c->in[line - c->f->first]);
}

static bool makes_calls(struct module *m, struct function *f)
{
	for (size_t i = f->first; i < f->last; i++) {
		struct insn in;

		if (!is_insn(&m->lines[i]))
			continue;
		insn_parse(m->lines[i].text, &in);
		if (starts(in.name, "call"))
			return true;
	}
	return false;
}

static bool next_pops(struct module *m, struct function *f, size_t line)
{
	while (++line < f->last)
		if (is_insn(&m->lines[line]))
			return starts(m->lines[line].text, "pop");
	return false;
}

/*
 * Room that the prologue takes, and whether it sets up a frame pointer. It need not be
 * what comes first: ways that need no frame may return before.
 */
static bool read_prologue(struct module *m, struct function *f)
{
	bool frame_pointer = false;

	f->frame = 8;
	for (size_t i = f->first; i < f->last; i++) {
		struct insn in;

		if (m->lines[i].app || !is_insn(&m->lines[i]))
			continue;
		insn_parse(m->lines[i].text, &in);
		if (starts(in.name, "push") && !next_pops(m, f, i))
			f->frame += 8;
		if (in.nr == 2 && in.op[1].type == OP_REG && in.op[1].reg == RSP &&
		    in.text[0] == '$') {
			if (starts(in.name, "sub"))
				f->frame += strtoul(in.text + 1, NULL, 0);
			if (starts(in.name, "and"))
				f->frame += -strtol(in.text + 1, NULL, 0);
		}
		/* By lea where flags are in use; and a probing loop runs down to r11. */
		if (starts(in.name, "lea") && in.nr == 2 && in.op[0].reg == RSP &&
		    in.op[1].type == OP_REG && in.text[0] == '-' &&
		    (in.op[1].reg == R11 || in.op[1].reg == RSP))
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
		insn_parse(m->lines[i].text, &in);
		called |= starts(in.name, "call");
		*bad = i;
		/* Small constants are pushed and popped where size counts. */
		if (called && starts(in.name, "push") && !next_pops(m, f, i))
			return false;
		if (called && starts(in.name, "sub") && in.nr == 2 &&
		    in.op[1].type == OP_REG && in.op[1].reg == RSP)
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
		step(&c, line);
	}
	free(c.in);
	free(c.reached);
	free(c.work);
	free(c.queued);
}
