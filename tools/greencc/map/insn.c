/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* An instruction's name and operands, in AT&T syntax. */
#include "insn.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Registers in which no address is followed. */
static enum reg parse_other_reg(const char *s, size_t n)
{
	static const char *const numbered[] = { "xmm", "ymm", "zmm", "tmm", "mm", "k" };
	static const char *const others[] = { "st", "cs", "ds", "es", "fs", "gs", "ss" };

	if (n == 3 && !strncmp(s, "rip", 3))
		return RIP;
	if (n == 3 && !strncmp(s, "riz", 3))
		return NO_REG;
	for (unsigned int i = 0; i < sizeof(numbered) / sizeof(numbered[0]); i++) {
		size_t m = strlen(numbered[i]);

		if (n > m && !strncmp(s, numbered[i], m) && isdigit((unsigned char)s[m]))
			return VECTOR;
	}
	for (unsigned int i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (n == 2 && !strncmp(s, others[i], 2))
			return VECTOR;
	return UNKNOWN_REG;
}

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
		return r < NR_REGS ? (enum reg)r : UNKNOWN_REG;
	}
	*bytes = 8;
	return parse_other_reg(s, n);
}

static enum reg reg_at(const char *s, unsigned int *bytes)
{
	return parse_reg(s + 1, strcspn(s + 1, "(),{} \t"), bytes);
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
		size_t n = strcspn(s, " \t;"), i;

		for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
			if (strlen(prefixes[i]) == n && !strncmp(s, prefixes[i], n))
				break;
		if (i == sizeof(prefixes) / sizeof(prefixes[0]) || !s[n])
			return s;
		s += n + strspn(s + n, " \t;");
	}
}

void insn_parse(const char *s, struct insn *in)
{
	char buf[1024];
	size_t n, depth = 0;
	char *p, *start;
	bool last;

	memset(in, 0, sizeof(*in));
	s = skip_prefixes(s);
	n = strcspn(s, " \t");
	in->cut = n >= sizeof(in->name);
	snprintf(in->name, sizeof(in->name), "%.*s", (int)n, s);
	in->text = s + n + strspn(s + n, " \t");
	in->cut |= strlen(in->text) >= sizeof(buf);
	snprintf(buf, sizeof(buf), "%s", in->text);
	for (p = start = buf; *start; p++) {
		depth += *p == '(';
		depth -= *p == ')';
		if ((*p != ',' || depth) && *p)
			continue;
		if (in->nr == sizeof(in->op) / sizeof(in->op[0])) {
			in->cut = true;
			return;
		}
		last = !*p;
		*p = '\0';
		in->op[in->nr++] = parse_operand(start);
		if (last)
			return;
		start = p + 1 + strspn(p + 1, " \t");
		p = start - 1;
	}
}
