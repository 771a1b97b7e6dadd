/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The instructions and directives that check.c understands: what they write is
 * their last operand, or what check.c says of them by name, and no other register
 * but flags, or one that they only make harmless. Any other keeps a function from
 * moving; so what a new compiler or a new CPU brings is no risk.
 */
#include "insn.h"

#include <ctype.h>
#include <string.h>

static bool starts(const char *s, const char *word)
{
	return !strncmp(s, word, strlen(word));
}

static bool is_among(const char *s, size_t n, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == n && !strncmp(s, *words, n))
			return true;
	return false;
}

/* General registers and memory; a suffix may say how wide. */
static bool is_general(const char *s)
{
	static const char *const words[] = {
		"mov", "movabs", "movbe", "lea", "push", "pop", "xchg", "xadd", "cmpxchg",
		"cmpxchg8b", "cmpxchg16b", "add", "adc", "sub", "sbb", "and", "or", "xor",
		"not", "neg", "inc", "dec", "mul", "imul", "div", "idiv", "cmp", "test",
		"shl", "sal", "shr", "sar", "rol", "ror", "rcl", "rcr", "shld", "shrd",
		"bt", "bts", "btr", "btc", "bsf", "bsr", "bswap", "tzcnt", "lzcnt", "popcnt",
		"andn", "bextr", "blsi", "blsr", "blsmsk", "bzhi", "pdep", "pext", "rorx",
		"sarx", "shlx", "shrx", "mulx", "adcx", "adox", "crc32", "movnti", "rdrand",
		"rdseed", "call", "jmp", "ret", "nop", "ud1", "leave", "pushf", "popf",
		/* moves that extend name two widths */
		"movzb", "movzw", "movsb", "movsw", "movsl",
		/* strings */
		"movs", "stos", "lods", "cmps", "scas", NULL,
	};
	size_t n = strlen(s);

	return is_among(s, n, words) || (n && strchr("bwlq", s[n - 1]) && is_among(s, n - 1, words));
}

static bool is_conditional(const char *s)
{
	static const char *const conditions[] = {
		"a", "ae", "b", "be", "c", "e", "g", "ge", "l", "le", "na", "nae", "nb",
		"nbe", "nc", "ne", "ng", "nge", "nl", "nle", "no", "np", "ns", "nz", "o",
		"p", "pe", "po", "s", "z", NULL,
	};
	static const char *const kinds[] = { "j", "set", "cmov" };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const char *c = s + strlen(kinds[i]);
		size_t n = strlen(s) - strlen(kinds[i]);

		if (!starts(s, kinds[i]))
			continue;
		if (is_among(c, n, conditions))
			return true;
		if (i == 2 && n && strchr("wlq", c[n - 1]) && is_among(c, n - 1, conditions))
			return true;
	}
	return !strcmp(s, "jrcxz") || !strcmp(s, "jecxz");
}

/* Without operands that matter. */
static bool is_plain(const char *s)
{
	static const char *const words[] = {
		"cltq", "cqto", "cltd", "cwtl", "cwtd", "cbtw", "ud2", "int3", "hlt", "pause",
		"lfence", "mfence", "sfence", "endbr64", "cld", "std", "clc", "stc", "cmc",
		"lahf", "sahf", "emms", "vzeroupper", "vzeroall", "cpuid", "rdtsc", "rdtscp",
		"xgetbv", "wait", "lock", "rep", "repne", "notrack", "data16", "rex64",
		"clflush", "clflushopt", "clwb", "ldmxcsr", "stmxcsr", NULL,
	};

	return is_among(s, strlen(s), words) || starts(s, "prefetch");
}

/*
 * Instructions of vectors, masks and floating point name all that they read and
 * write but for indices, lengths and masks, and none takes a general register
 * along that it does not name.
 */
static bool is_vectors(const struct insn *in)
{
	for (unsigned int i = 0; i < in->nr; i++)
		if (in->op[i].type == OP_REG && in->op[i].reg == VECTOR)
			return true;
	return in->name[0] == 'v' || in->name[0] == 'f' || starts(in->name, "cvt");
}

bool insn_is_known(const struct insn *in)
{
	for (unsigned int i = 0; i < in->nr; i++)
		if (in->op[i].reg == UNKNOWN_REG || in->op[i].index == UNKNOWN_REG)
			return false;
	return !in->cut && (is_general(in->name) || is_conditional(in->name) ||
			    is_plain(in->name) || is_vectors(in));
}

/* Directives that may stand among instructions and are none. */
bool directive_is_known(const char *s)
{
	static const char *const words[] = {
		".loc", ".p2align", ".file", ".size", ".type", ".globl", ".hidden", NULL,
	};

	return starts(s, ".cfi_") || is_among(s, strcspn(s, " \t"), words);
}
