/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What is at an address: for reports, and to tell foreign code from nonsense. */
#define _GNU_SOURCE
#include "maps/registry.h"
#include "maps/symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* An object that is loaded, and the search for an address in it. */
struct object {
	uintptr_t pc;
	uintptr_t bias;
	char path[256];
	bool code;
};

static int find_object(struct dl_phdr_info *info, size_t size, void *data)
{
	struct object *o = data;
	int i;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type != PT_LOAD || !(ph->p_flags & PF_X) ||
		    o->pc - (info->dlpi_addr + ph->p_vaddr) >= ph->p_memsz)
			continue;
		o->code = true;
		o->bias = info->dlpi_addr;
		snprintf(o->path, sizeof(o->path), "%s",
			 info->dlpi_name[0] ? info->dlpi_name : "/proc/self/exe");
		return 1;
	}
	return 0;
}

bool green_is_code(const void *pc)
{
	struct object o = { .pc = (uintptr_t)pc };

	dl_iterate_phdr(find_object, &o);
	return o.code;
}

static bool in_file(size_t size, uint64_t off, uint64_t len)
{
	return off <= size && len <= size - off;
}

/* The function symbol that covers @addr in a mapped ELF file, or NULL. */
static const char *search(const char *image, size_t size, uint64_t addr)
{
	const Elf64_Ehdr *eh = (const void *)image;
	const Elf64_Shdr *sh = (const void *)(image + eh->e_shoff);
	unsigned int i;

	if (!in_file(size, eh->e_shoff, (uint64_t)eh->e_shnum * sizeof(*sh)))
		return NULL;
	for (i = 0; i < eh->e_shnum; i++) {
		const Elf64_Sym *sym = (const void *)(image + sh[i].sh_offset);
		const Elf64_Shdr *str;
		size_t n;

		if (sh[i].sh_type != SHT_SYMTAB || sh[i].sh_link >= eh->e_shnum ||
		    !in_file(size, sh[i].sh_offset, sh[i].sh_size))
			continue;
		str = &sh[sh[i].sh_link];
		for (n = sh[i].sh_size / sizeof(*sym); n--; sym++)
			if (ELF64_ST_TYPE(sym->st_info) == STT_FUNC &&
			    addr - sym->st_value < sym->st_size &&
			    sym->st_name < str->sh_size &&
			    in_file(size, str->sh_offset, str->sh_size))
				return image + str->sh_offset + sym->st_name;
	}
	return NULL;
}

/* From the file's own symbol table: static functions are only there. */
static bool name_from_file(const struct object *o, char *buf, size_t n)
{
	const char *name = NULL;
	struct stat st;
	char *image;
	int fd;

	fd = open(o->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) || (size_t)st.st_size < sizeof(Elf64_Ehdr))
		goto out;
	image = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (image == MAP_FAILED)
		goto out;
	if (!memcmp(image, ELFMAG, SELFMAG) && image[EI_CLASS] == ELFCLASS64)
		name = search(image, st.st_size, o->pc - o->bias);
	if (name)
		snprintf(buf, n, "%s", name);
	munmap(image, st.st_size);
out:
	close(fd);
	return name;
}

static void look_up(const void *pc, char *buf, size_t n)
{
	struct object o = { .pc = (uintptr_t)pc };
	Dl_info info;

	dl_iterate_phdr(find_object, &o);
	if (o.code && name_from_file(&o, buf, n))
		return;
	if (o.code && dladdr(pc, &info) && info.dli_sname)
		snprintf(buf, n, "%s", info.dli_sname);
	else
		snprintf(buf, n, "%p", pc);
}

/*
 * Reading symbol tables is slow, and refusals repeat: names are kept, until the
 * table is full and begins anew.
 */
void green_symbol(const void *pc, char *buf, size_t n)
{
	static struct {
		const void *pc;
		char name[64];
	} known[256];
	static unsigned int nr;
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (known[i].pc == pc)
			goto found;
	if (nr == 256)
		nr = 0;
	i = nr++;
	known[i].pc = pc;
	look_up(pc, known[i].name, sizeof(known[i].name));
found:
	snprintf(buf, n, "%s", known[i].name);
}

void green_place(const void *pc, bool ret, char *buf, size_t n)
{
	struct green_map m;

	if (green_map_find((const char *)pc - ret, &m))
		snprintf(buf, n, "%s+0x%zx", m.name, (size_t)((const char *)pc - m.start));
	else
		green_symbol(pc, buf, n);
}
