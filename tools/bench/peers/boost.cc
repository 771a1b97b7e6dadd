// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Boost.Fiber, Debian's libboost-fiber-dev, doing what green/ does with the same
 * arguments, on stacks of its default size. It has no I/O.
 */
#include <boost/fiber/all.hpp>
#include <unistd.h>
#include <vector>

#include "../bench.h"

namespace fibers = boost::fibers;

static struct {
	long frames, turns, woken;
	uint64_t ns;
	fibers::mutex lock;
	fibers::condition_variable never;
} run;

/* Started when the others had a turn, not at once, as in all that it is compared with. */
template <typename F> static fibers::fiber go(F fn)
{
	return fibers::fiber(fibers::launch::post, fn);
}

static void __attribute__((noinline)) yields(long frames)
{
	if (frames > 1)
		yields(frames - 1);
	else
		boost::this_fiber::yield();
	__asm__ volatile("");
}

static void takes_turns(long nr)
{
	for (int i = 0; i < 3; i++)
		yields(run.frames);

	uint64_t t0 = nr ? 0 : cpu_ns();
	for (long i = 0; i < run.turns; i++)
		yields(run.frames);
	if (!nr)
		run.ns = cpu_ns() - t0;
}

static int bench_yield(const long *arg)
{
	std::vector<fibers::fiber> all;

	run.frames = arg[1];
	run.turns = arg[2] / arg[0] + 1;
	for (long i = 0; i < arg[0]; i++)
		all.push_back(go([i] { takes_turns(i); }));
	for (auto &fiber : all)
		fiber.join();
	figure("ns", double(run.ns) / double(run.turns * arg[0]));
	return 0;
}

static int bench_spawn(const long *arg)
{
	uint64_t t0 = cpu_ns();

	for (long i = 0; i < arg[0]; i++)
		go([] {}).join();
	figure("ns", double(cpu_ns() - t0) / double(arg[0]));
	return 0;
}

static int bench_alive(const long *arg)
{
	for (long i = 0; i < arg[1]; i++) {
		uint64_t t0 = cpu_ns();
		std::vector<fibers::fiber> all;

		for (long j = 0; j < arg[0]; j++)
			all.push_back(go([] { boost::this_fiber::yield(); }));
		for (auto &fiber : all)
			fiber.join();
		figure("ns", double(cpu_ns() - t0) / double(arg[0]));
	}
	return 0;
}

static long __attribute__((noinline)) waits(long *up)
{
	long here = *up;
	std::unique_lock<fibers::mutex> held(run.lock);

	run.never.wait(held);
	return here;
}

static void parked()
{
	long local = 1;

	run.woken += waits(&local);
}

static int bench_parked(const long *arg)
{
	size_t before = memory();

	for (long i = 0; i < arg[0]; i++)
		go(parked).detach();
	boost::this_fiber::yield();
	figure("once", double(memory() - before) / double(arg[0]));
	boost::this_fiber::sleep_for(std::chrono::seconds(arg[2]));
	figure("idle", double(memory() - before) / double(arg[0]));
	_exit(0);
}

static int bench_sleepers(const long *arg)
{
	std::vector<fibers::fiber> all;

	for (long i = 0; i < arg[0]; i++)
		all.push_back(go([i, arg] {
			for (long turn = 0; turn < arg[1]; turn++)
				boost::this_fiber::sleep_for(std::chrono::milliseconds(
					sleep_ms(i, turn)));
		}));

	uint64_t t0 = cpu_ns();
	for (auto &fiber : all)
		fiber.join();
	figure("ns", double(cpu_ns() - t0) / double(arg[0] * arg[1]));
	return 0;
}

int main(int argc, char **argv)
{
	static const struct bench benches[] = {
		{ "yield", bench_yield },
		{ "spawn", bench_spawn },
		{ "alive", bench_alive },
		{ "parked", bench_parked },
		{ "sleepers", bench_sleepers },
		{ nullptr, nullptr }
	};

	return bench_main(benches, argc, argv);
}
