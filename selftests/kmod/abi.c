// SPDX-License-Identifier: GPL-2.0
/*
 * Every refusal that include/uapi/linux/green.h promises, and that a call
 * which is refused changes nothing.
 */
#include <stddef.h>

#include <kselftest_harness.h>

#include "kmod_test.h"

#define ARENA_PAGES	64
#define SRC_PAGES	8	/* from page 0, populated */
#define DST_PAGE	32	/* from here 8 pages, empty but for a sealed one */
#define SEALED_PAGE	34
#define TAKEN_PAGE	48	/* populated */
#define SEED		1

#define KERNEL_ADDR	0xffffffff81000000UL
#define BAD_POINTER	8UL

FIXTURE(abi)
{
	int fd;
	char *mem;
	char *src;
	char *dst;
	struct green_query before;
	uint32_t relocs[4];
	struct green_move_elem elem[3];
	struct green_move move;
	struct green_release release;
};

FIXTURE_SETUP(abi)
{
	uint64_t *word;

	OPEN_OR_SKIP(self->fd);
	self->mem = arena_map(self->fd, ARENA_PAGES);
	ASSERT_NE(MAP_FAILED, self->mem);
	self->src = self->mem;
	self->dst = self->mem + DST_PAGE * PAGE;
	pattern_fill(self->src, SRC_PAGES * PAGE, SEED);
	pattern_fill(self->mem + TAKEN_PAGE * PAGE, PAGE, SEED + 1);
	ASSERT_EQ(0, release(self->fd, self->mem + SEALED_PAGE * PAGE, 1,
			     GREEN_RELEASE_SEAL));

	/* Words 0 and 1 of the source point into it, word 2 does not. */
	word = (uint64_t *)self->src;
	word[0] = (uintptr_t)self->src + 8;
	word[1] = (uintptr_t)self->src + 4 * PAGE;
	word[2] = (uintptr_t)self->src + 4 * PAGE + 1;

	/* A request that is right; each test spoils it. */
	self->relocs[0] = 0;
	self->relocs[1] = 1;
	self->elem[0] = move_elem(self->src, self->dst, 4);
	self->elem[0].relocs = (uintptr_t)self->relocs;
	self->elem[0].nr_relocs = 2;
	self->elem[0].delta = self->dst - self->src;
	self->elem[1] = move_elem(self->src + 4 * PAGE, self->dst + 4 * PAGE, 1);
	self->elem[2] = move_elem(self->src + 5 * PAGE, self->dst + 5 * PAGE, 1);
	self->move = (struct green_move){
		.size = sizeof(self->move),
		.vec = (uintptr_t)self->elem,
		.nr = 3,
	};
	self->release = (struct green_release){
		.size = sizeof(self->release),
		.addr = (uintptr_t)self->src,
		.len = PAGE,
	};
	self->before = query(self->fd);
}

FIXTURE_TEARDOWN(abi)
{
	munmap(self->mem, ARENA_PAGES * PAGE);
	close(self->fd);
}

/* The first words of the source are pointers, the rest is the pattern. */
static bool source_intact(const char *src)
{
	const uint64_t *word = (const uint64_t *)src;
	size_t i;

	if (word[0] != (uintptr_t)src + 8 ||
	    word[1] != (uintptr_t)src + 4 * PAGE ||
	    word[2] != (uintptr_t)src + 4 * PAGE + 1)
		return false;
	for (i = 24; i < SRC_PAGES * PAGE; i++)
		if ((unsigned char)src[i] != pattern_byte(i, SEED))
			return false;
	return true;
}

static void expect_unchanged(struct __test_metadata *const _metadata,
			     FIXTURE_DATA(abi) *self)
{
	struct green_query now = query(self->fd);
	char buf[PAGE];
	int i;

	EXPECT_EQ(self->before.pages, now.pages);
	EXPECT_EQ(self->before.moves, now.moves);
	EXPECT_TRUE(source_intact(self->src));
	EXPECT_TRUE(pattern_holds(self->mem + TAKEN_PAGE * PAGE, PAGE,
				  SEED + 1));

	/* Destinations are what they were: looking populates the empty ones. */
	for (i = DST_PAGE; i < DST_PAGE + 8; i++) {
		if (i == SEALED_PAGE) {
			EXPECT_EQ(EFAULT, peek(self->mem + i * PAGE, buf, PAGE));
			continue;
		}
		EXPECT_EQ(0, peek(self->mem + i * PAGE, buf, PAGE));
		EXPECT_TRUE(all_zero(buf, PAGE));
	}
	now = query(self->fd);
	EXPECT_EQ(self->before.pages + 7, now.pages);
	for (i = DST_PAGE; i < DST_PAGE + 8; i++)
		if (i != SEALED_PAGE)
			EXPECT_EQ(0, release(self->fd, self->mem + i * PAGE, 1,
					     0));
	now = query(self->fd);
	EXPECT_EQ(self->before.pages, now.pages);
}

static void expect_refusal(struct __test_metadata *const _metadata,
			   FIXTURE_DATA(abi) *self, int err, uint32_t failed)
{
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_MOVE, &self->move));
	EXPECT_EQ(err, errno);
	EXPECT_EQ(failed, self->move.failed);
	expect_unchanged(_metadata, self);
}

/* The request that everything below spoils is right. */
TEST_F(abi, move_unspoilt)
{
	uint64_t *word = (uint64_t *)self->dst;

	ASSERT_EQ(0, ioctl(self->fd, GREEN_IOC_MOVE, &self->move));
	EXPECT_EQ(0, self->move.failed);
	EXPECT_EQ((uintptr_t)self->dst + 8, word[0]);
	EXPECT_EQ((uintptr_t)self->dst + 4 * PAGE, word[1]);
	EXPECT_EQ((uintptr_t)self->src + 4 * PAGE + 1, word[2]);
	EXPECT_EQ(self->before.pages, query(self->fd).pages);
	EXPECT_EQ(self->before.moves + 3, query(self->fd).moves);
}

TEST_F(abi, query)
{
	struct green_query q;

	memset(&q, 0xff, sizeof(q));
	q.size = sizeof(q);
	q.flags = 0;
	ASSERT_EQ(0, ioctl(self->fd, GREEN_IOC_QUERY, &q));
	EXPECT_EQ(sizeof(q), q.size);
	EXPECT_EQ(0, q.flags);
	EXPECT_EQ(GREEN_ABI_VERSION, q.abi_version);
	EXPECT_EQ(PAGE, q.page_size);
	EXPECT_EQ(GREEN_FEATURE_MOVE | GREEN_FEATURE_RELEASE |
		  GREEN_FEATURE_SWITCH, q.features);
	EXPECT_EQ(1ULL << 40, q.max_arena);
	EXPECT_EQ(64, q.max_moves);
	EXPECT_EQ(65536, q.max_relocs);
	EXPECT_EQ((uintptr_t)self->mem, q.arena_addr);
	EXPECT_EQ(ARENA_PAGES * PAGE, q.arena_len);
	EXPECT_EQ(SRC_PAGES + 1, q.pages);
	EXPECT_EQ(0, q.moves);
}

TEST_F(abi, query_without_arena)
{
	struct green_query q;

	ASSERT_EQ(0, munmap(self->mem, ARENA_PAGES * PAGE));
	q = query(self->fd);
	EXPECT_EQ(0, q.arena_addr);
	EXPECT_EQ(0, q.arena_len);
	EXPECT_EQ(0, q.pages);
}

TEST_F(abi, unknown_command)
{
	EXPECT_EQ(-1, ioctl(self->fd, _IO(GREEN_IOC_MAGIC, 0xcf), &self->move));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IO(GREEN_IOC_MAGIC, 0xd4), &self->move));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IO('G', 0xd0), &self->move));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IOW(GREEN_IOC_MAGIC, 0xd1,
					   struct green_move), &self->move));
	EXPECT_EQ(ENOTTY, errno);
}

static const struct {
	unsigned long cmd;
	uint32_t size;
} commands[] = {
	{ GREEN_IOC_QUERY, sizeof(struct green_query) },
	{ GREEN_IOC_MOVE, sizeof(struct green_move) },
	{ GREEN_IOC_RELEASE, sizeof(struct green_release) },
	{ GREEN_IOC_SWITCH, sizeof(struct green_switch) },
};

TEST_F(abi, size_too_small)
{
	uint32_t buf[1024] = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		buf[0] = 0;
		EXPECT_EQ(-1, ioctl(self->fd, commands[i].cmd, buf));
		EXPECT_EQ(EINVAL, errno);
		buf[0] = commands[i].size - 1;
		EXPECT_EQ(-1, ioctl(self->fd, commands[i].cmd, buf));
		EXPECT_EQ(EINVAL, errno);
	}
	expect_unchanged(_metadata, self);
}

TEST_F(abi, size_too_large)
{
	uint32_t buf[1024 + 1] = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		buf[0] = 1024 * sizeof(buf[0]);
		buf[1023] = 1;
		EXPECT_EQ(-1, ioctl(self->fd, commands[i].cmd, buf));
		EXPECT_EQ(E2BIG, errno);
		buf[1023] = 0;
		/* Longer than any struct is to become. */
		buf[0] = 1024 * sizeof(buf[0]) + 1;
		EXPECT_EQ(-1, ioctl(self->fd, commands[i].cmd, buf));
		EXPECT_EQ(E2BIG, errno);
	}
	expect_unchanged(_metadata, self);
}

TEST_F(abi, size_larger_with_zeros)
{
	struct {
		struct green_query q;
		uint64_t tail[2];
	} q = { .q.size = sizeof(q) };
	struct {
		struct green_move m;
		uint64_t tail;
	} m = { .m = self->move };
	struct {
		struct green_release r;
		char tail[PAGE - sizeof(struct green_release)];
	} r = { .r = self->release };

	EXPECT_EQ(0, ioctl(self->fd, GREEN_IOC_QUERY, &q));
	EXPECT_EQ(ARENA_PAGES * PAGE, q.q.arena_len);
	EXPECT_EQ(0, q.tail[0] | q.tail[1]);
	m.m.size = sizeof(m);
	EXPECT_EQ(0, ioctl(self->fd, GREEN_IOC_MOVE, &m));
	r.r.addr = (uintptr_t)self->dst;
	r.r.size = sizeof(r);
	EXPECT_EQ(0, ioctl(self->fd, GREEN_IOC_RELEASE, &r));
	EXPECT_EQ(self->before.pages - 1, query(self->fd).pages);
}

TEST_F(abi, unknown_flags)
{
	struct green_query q = { .size = sizeof(q), .flags = 1 };
	struct green_context c = { 0 };
	struct green_switch sw = {
		.size = sizeof(sw),
		.flags = 1,
		.save = (uintptr_t)&c,
		.load = (uintptr_t)&c,
	};

	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_QUERY, &q));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_SWITCH, &sw));
	EXPECT_EQ(EINVAL, errno);
	self->release.flags = GREEN_RELEASE_SEAL << 1;
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_RELEASE, &self->release));
	EXPECT_EQ(EINVAL, errno);
	self->move.flags = 1U << 31;
	expect_refusal(_metadata, self, EINVAL, 3);
}

TEST_F(abi, move_failed_not_zero)
{
	self->move.failed = 1;
	expect_refusal(_metadata, self, EINVAL, 3);
}

TEST_F(abi, move_none)
{
	self->move.nr = 0;
	expect_refusal(_metadata, self, EINVAL, 0);
}

TEST_F(abi, move_too_many)
{
	self->move.nr = 65;
	expect_refusal(_metadata, self, E2BIG, 65);
}

TEST_F(abi, move_pad)
{
	self->elem[1].pad = 1;
	expect_refusal(_metadata, self, EINVAL, 1);
}

TEST_F(abi, move_misaligned_src)
{
	self->elem[2].src += 8;
	expect_refusal(_metadata, self, EINVAL, 2);
}

TEST_F(abi, move_misaligned_dst)
{
	self->elem[1].dst += 2048;
	expect_refusal(_metadata, self, EINVAL, 1);
}

TEST_F(abi, move_misaligned_len)
{
	self->elem[0].len -= 1;
	expect_refusal(_metadata, self, EINVAL, 0);
}

TEST_F(abi, move_zero_len)
{
	self->elem[2].len = 0;
	expect_refusal(_metadata, self, EINVAL, 2);
}

TEST_F(abi, move_overlap_src_dst)
{
	self->elem[0].dst = self->elem[0].src + 3 * PAGE;
	self->move.nr = 1;
	expect_refusal(_metadata, self, EBUSY, 0);
}

TEST_F(abi, move_to_itself)
{
	self->elem[0].dst = self->elem[0].src;
	self->move.nr = 1;
	expect_refusal(_metadata, self, EBUSY, 0);
}

TEST_F(abi, move_overlap_src_other_dst)
{
	self->elem[2].dst = self->elem[1].src;
	expect_refusal(_metadata, self, EBUSY, 2);
}

TEST_F(abi, move_overlap_dst_dst)
{
	self->elem[1].dst = self->elem[0].dst + 3 * PAGE;
	expect_refusal(_metadata, self, EBUSY, 1);
}

TEST_F(abi, move_overlap_src_src)
{
	self->elem[2].src = self->elem[0].src + PAGE;
	expect_refusal(_metadata, self, EBUSY, 2);
}

TEST_F(abi, move_outside)
{
	uint64_t end = (uintptr_t)self->mem + ARENA_PAGES * PAGE;
	const struct green_move_elem good = self->elem[1];
	const struct {
		uint64_t src, dst, len;
	} bad[] = {
		{ end, good.dst, PAGE },
		{ good.src, end, PAGE },
		{ good.src, end - PAGE, 2 * PAGE },
		{ end - PAGE, good.dst, 2 * PAGE },
		{ (uintptr_t)self->mem - PAGE, good.dst, PAGE },
		{ good.src, (uintptr_t)self->mem - PAGE, PAGE },
		{ good.src, 0, PAGE },
		{ good.src, KERNEL_ADDR, PAGE },
		{ KERNEL_ADDR, good.dst, PAGE },
		{ good.src, -PAGE, PAGE },
		{ good.src, good.dst, -PAGE },
		{ good.src, good.dst, 1ULL << 63 },
		{ -PAGE, good.dst, 2 * PAGE },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->elem[1].src = bad[i].src;
		self->elem[1].dst = bad[i].dst;
		self->elem[1].len = bad[i].len;
		self->elem[0] = move_elem(self->src, self->mem + 56 * PAGE, 1);
		self->move.nr = 2;
		self->move.failed = 0;
		expect_refusal(_metadata, self, ENXIO, 1);
	}
}

TEST_F(abi, no_arena)
{
	ASSERT_EQ(0, munmap(self->mem, ARENA_PAGES * PAGE));
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_MOVE, &self->move));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(3, self->move.failed);
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_RELEASE, &self->release));
	EXPECT_EQ(ENXIO, errno);
}

TEST_F(abi, move_reloc_out_of_range)
{
	self->relocs[1] = 4 * PAGE / 8;
	expect_refusal(_metadata, self, ERANGE, 0);
	self->relocs[1] = UINT32_MAX;
	self->move.failed = 0;
	expect_refusal(_metadata, self, ERANGE, 0);
}

TEST_F(abi, move_reloc_not_ascending)
{
	self->relocs[0] = 1;
	self->relocs[1] = 0;
	expect_refusal(_metadata, self, ERANGE, 0);
	self->relocs[1] = 1;
	self->move.failed = 0;
	expect_refusal(_metadata, self, ERANGE, 0);
}

TEST_F(abi, move_reloc_value)
{
	self->relocs[1] = 2;	/* one past the end of the range */
	expect_refusal(_metadata, self, EDOM, 0);
	self->relocs[1] = 3;
	self->move.failed = 0;
	expect_refusal(_metadata, self, EDOM, 0);
}

TEST_F(abi, move_reloc_value_last_element)
{
	self->relocs[2] = 5;
	self->elem[2].relocs = (uintptr_t)&self->relocs[2];
	self->elem[2].nr_relocs = 1;
	expect_refusal(_metadata, self, EDOM, 2);
}

TEST_F(abi, move_too_many_relocs)
{
	self->elem[0].nr_relocs = 65537;
	expect_refusal(_metadata, self, E2BIG, 0);
	self->elem[0].nr_relocs = 2;
	self->elem[1].nr_relocs = 65535;
	self->move.failed = 0;
	expect_refusal(_metadata, self, E2BIG, 1);
	self->elem[1].nr_relocs = UINT32_MAX;
	self->move.failed = 0;
	expect_refusal(_metadata, self, E2BIG, 1);
}

TEST_F(abi, move_source_empty)
{
	self->elem[1].src = (uintptr_t)self->mem + SRC_PAGES * PAGE;
	expect_refusal(_metadata, self, ENODATA, 1);
}

TEST_F(abi, move_source_with_hole)
{
	self->elem[2].src = (uintptr_t)self->mem + (SRC_PAGES - 1) * PAGE;
	self->elem[2].len = 2 * PAGE;
	expect_refusal(_metadata, self, ENODATA, 2);
}

TEST_F(abi, move_source_sealed)
{
	self->elem[0] = move_elem(self->mem + SEALED_PAGE * PAGE,
				  self->mem + 56 * PAGE, 1);
	expect_refusal(_metadata, self, ENODATA, 0);
}

TEST_F(abi, move_destination_populated)
{
	self->elem[2].dst = (uintptr_t)self->mem + TAKEN_PAGE * PAGE;
	expect_refusal(_metadata, self, EEXIST, 2);
	self->elem[2].dst = (uintptr_t)self->mem + (TAKEN_PAGE - 1) * PAGE;
	self->elem[2].len = 2 * PAGE;
	self->move.failed = 0;
	expect_refusal(_metadata, self, EEXIST, 2);
}

TEST_F(abi, bad_struct_pointer)
{
	uint32_t *last = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;

	ASSERT_NE(MAP_FAILED, last);
	ASSERT_EQ(0, munmap((char *)last + PAGE, PAGE));
	last += PAGE / sizeof(*last) - 1;
	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		EXPECT_EQ(-1, ioctl(self->fd, commands[i].cmd, BAD_POINTER));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(-1, ioctl(self->fd, commands[i].cmd, KERNEL_ADDR));
		EXPECT_EQ(EFAULT, errno);
		/* The size can be read, the rest cannot. */
		*last = commands[i].size;
		EXPECT_EQ(-1, ioctl(self->fd, commands[i].cmd, last));
		EXPECT_EQ(EFAULT, errno);
	}
	expect_unchanged(_metadata, self);
}

TEST_F(abi, query_read_only)
{
	struct green_query *q = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, q);
	q->size = sizeof(*q);
	ASSERT_EQ(0, mprotect(q, PAGE, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_QUERY, q));
	EXPECT_EQ(EFAULT, errno);
}

/* Where to say which element failed is lost, what failed is not. */
TEST_F(abi, move_read_only)
{
	struct green_move *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, m);
	*m = self->move;
	self->elem[1].len = 0;
	ASSERT_EQ(0, mprotect(m, PAGE, PROT_READ));
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_MOVE, m));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, m->failed);
	expect_unchanged(_metadata, self);
}

TEST_F(abi, move_bad_vec)
{
	self->move.vec = BAD_POINTER;
	expect_refusal(_metadata, self, EFAULT, 3);
	self->move.vec = KERNEL_ADDR;
	self->move.nr = 64;
	self->move.failed = 0;
	expect_refusal(_metadata, self, EFAULT, 64);
}

TEST_F(abi, move_bad_relocs)
{
	self->elem[0].relocs = BAD_POINTER;
	expect_refusal(_metadata, self, EFAULT, 0);
	self->elem[0].relocs = (uintptr_t)self->relocs;
	self->elem[1].relocs = KERNEL_ADDR;
	self->elem[1].nr_relocs = 65534;
	self->move.failed = 0;
	expect_refusal(_metadata, self, EFAULT, 1);
}

TEST_F(abi, release_refusals)
{
	const struct green_release good = self->release;
	const uint64_t end = (uintptr_t)self->mem + ARENA_PAGES * PAGE;
	const struct {
		uint64_t addr, len;
		int err;
	} bad[] = {
		{ good.addr + 1, PAGE, EINVAL },
		{ good.addr, PAGE + 1, EINVAL },
		{ good.addr, 0, EINVAL },
		{ end, PAGE, ENXIO },
		{ end - PAGE, 2 * PAGE, ENXIO },
		{ (uintptr_t)self->mem - PAGE, 2 * PAGE, ENXIO },
		{ 0, PAGE, ENXIO },
		{ KERNEL_ADDR, PAGE, ENXIO },
		{ good.addr, -PAGE, ENXIO },
		{ -PAGE, 2 * PAGE, ENXIO },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->release.addr = bad[i].addr;
		self->release.len = bad[i].len;
		self->release.flags = i & 1 ? GREEN_RELEASE_SEAL : 0;
		EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_RELEASE,
				    &self->release));
		EXPECT_EQ(bad[i].err, errno);
	}
	expect_unchanged(_metadata, self);
}

TEST_F(abi, switch_refusals)
{
	struct green_context load = { .rip = 4096, .rsp = 4096 }, save;
	struct green_switch sw = {
		.size = sizeof(sw),
		.save = (uintptr_t)&save,
		.load = (uintptr_t)&load,
	};

	memset(&save, 0x5a, sizeof(save));
	load.rip = KERNEL_ADDR;
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_SWITCH, &sw));
	EXPECT_EQ(EINVAL, errno);
	load.rip = 1ULL << 63;
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_SWITCH, &sw));
	EXPECT_EQ(EINVAL, errno);
	load.rip = 4096;
	load.rsp = KERNEL_ADDR;
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_SWITCH, &sw));
	EXPECT_EQ(EINVAL, errno);
	load.rsp = 4096;
	sw.load = BAD_POINTER;
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_SWITCH, &sw));
	EXPECT_EQ(EFAULT, errno);
	sw.load = KERNEL_ADDR;
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_SWITCH, &sw));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0x5a5a5a5a5a5a5a5aULL, save.rip);
	EXPECT_EQ(0x5a5a5a5a5a5a5a5aULL, save.r15);

	/* Were the load done all the same, this would not come back. */
	sw.load = (uintptr_t)&load;
	sw.save = BAD_POINTER;
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_SWITCH, &sw));
	EXPECT_EQ(EFAULT, errno);
	sw.save = KERNEL_ADDR;
	EXPECT_EQ(-1, ioctl(self->fd, GREEN_IOC_SWITCH, &sw));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(abi, mmap_second)
{
	EXPECT_EQ(MAP_FAILED, arena_map(self->fd, 1));
	EXPECT_EQ(EBUSY, errno);
	expect_unchanged(_metadata, self);
	ASSERT_EQ(0, munmap(self->mem, ARENA_PAGES * PAGE));
	self->mem = arena_map(self->fd, ARENA_PAGES);
	ASSERT_NE(MAP_FAILED, self->mem);
	EXPECT_EQ(0, query(self->fd).pages);
	EXPECT_TRUE(all_zero(self->mem, ARENA_PAGES * PAGE));
}

TEST_F(abi, munmap_part)
{
	EXPECT_EQ(-1, munmap(self->mem, PAGE));
	EXPECT_EQ(-1, munmap(self->mem + (ARENA_PAGES - 1) * PAGE, PAGE));
	EXPECT_EQ(-1, munmap(self->mem + 4 * PAGE, PAGE));
	EXPECT_EQ(-1, mprotect(self->mem + 4 * PAGE, PAGE, PROT_READ));
	expect_unchanged(_metadata, self);
}

TEST_F(abi, mremap_refused)
{
	size_t len = ARENA_PAGES * PAGE;
	char *to = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			0);

	ASSERT_NE(MAP_FAILED, to);
	/* Elsewhere, larger, smaller, and a second view. */
	EXPECT_EQ(MAP_FAILED, mremap(self->mem, len, len,
				     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_EQ(MAP_FAILED, mremap(self->mem, len, 2 * len, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(self->mem, len, len - PAGE, 0));
	EXPECT_EQ(MAP_FAILED, mremap(self->mem, 0, len, MREMAP_MAYMOVE));
	EXPECT_EQ(MAP_FAILED, mremap(self->mem, len, len,
				     MREMAP_MAYMOVE | MREMAP_DONTUNMAP));
	expect_unchanged(_metadata, self);
}

/* These need no arena of their own. */
TEST(mmap_refusals)
{
	int fd, ro;

	OPEN_OR_SKIP(fd);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE, fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, PAGE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, (1UL << 40) + PAGE,
				   PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	EXPECT_EQ(EINVAL, errno);

	ro = open(DEVICE, O_RDONLY);
	ASSERT_LE(0, ro);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0));
	EXPECT_EQ(EINVAL, errno);
	close(ro);
	close(fd);
}

/* The largest arena works at both ends, and releasing all of it is quick. */
TEST(mmap_largest)
{
	const size_t pages = (1UL << 40) / PAGE;
	char *mem;
	int fd;

	OPEN_OR_SKIP(fd);
	mem = arena_map(fd, pages);
	ASSERT_NE(MAP_FAILED, mem);
	mem[0] = 1;
	mem[pages * PAGE - 1] = 2;
	EXPECT_EQ(2, query(fd).pages);
	EXPECT_EQ(0, move_pages(fd, mem, mem + pages / 2 * PAGE, 1));
	EXPECT_EQ(1, mem[pages / 2 * PAGE]);
	EXPECT_EQ(0, release(fd, mem, pages, 0));
	EXPECT_EQ(0, query(fd).pages);
	EXPECT_EQ(0, mem[0]);
	close(fd);
}

TEST_HARNESS_MAIN
