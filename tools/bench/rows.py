# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""What `make bench` measures: the groups, their rows, and the bar that each is to meet.

A row has a figure for each subject: the command that prints it, and the name that it
has there. Commands run in build/bench; what begins with ./ is built by Makefile."""

from dataclasses import dataclass

GREEN = "green"
GREEN_64K = "green, from 64 KiB"
RAW = "raw switch"
ST = "state-threads"
BOOST = "Boost.Fiber"
GO, GO19 = "Go 1.23", "Go 1.19"
URING, EPOLL = "raw io_uring", "raw epoll"
NGINX = "nginx"

# What is no runtime, but what one can at best come near to.
LIMITS = RAW, URING, EPOLL

# The program of each, and what to say where it is not there.
PROGRAM = {
    GREEN: "./green", RAW: "./raw", ST: "./st", BOOST: "./boost", GO: "./go1.23",
    GO19: "./go1.19", URING: "./uring", EPOLL: "./epoll",
}
LACKS = {
    "./st": "libst-dev", "./boost": "libboost-fiber-dev", "./go1.19": "golang-1.19-go",
    "./go1.23": "golang-1.23-go of bookworm-backports",
}


@dataclass(frozen=True)
class Figure:
    """What a command prints under a name, times a factor; over another, if there is one."""
    command: str
    name: str = "ns"
    factor: float = 1
    over: "Figure" = None


@dataclass(frozen=True)
class Bar:
    """At most, or at least, so much; or so many times what that subject has."""
    limit: float
    of: str = None
    least: bool = False


@dataclass(frozen=True)
class Row:
    name: str
    figures: dict
    bar: Bar = None
    needs_gb: int = 0


@dataclass(frozen=True)
class Group:
    key: str
    title: str
    rows: list
    rounds: int
    seconds: int			# on a busy machine there are fewer rounds
    note: str = ""


class Full:
    rounds_of = staticmethod(lambda rounds: rounds)
    yields, spawns, alive, bursts = 1_000_000, 100_000, 10_000, 4
    many, very_many = 10_000, 100_000
    work_ms, fair_ms = 200, 500
    messages, primes = 1_000_000, 1_000
    parked, most_parked, idle_s = 1_000_000, 10_000_000, 3
    sleepers, sleeps = 100_000, 5
    moves, counted_moves, growths = 200_000, 2_000, 40
    requests, connections = 30_000, (64, 1_000)


class Quick:
    """Each row, as little of it as there can be."""
    rounds_of = staticmethod(lambda rounds: 1)
    yields, spawns, alive, bursts = 1_000, 100, 100, 1
    many, very_many = 200, 400
    work_ms, fair_ms = 10, 10
    messages, primes = 1_000, 20
    parked, most_parked, idle_s = 1_000, 2_000, 0
    sleepers, sleeps = 100, 1
    moves, counted_moves, growths = 100, 50, 4
    requests, connections = 500, (64, 100)


def each(subjects, arguments, **kwargs):
    """The same arguments for the program of each subject."""
    return {s: Figure(f"{PROGRAM[s]} {arguments}", **kwargs) for s in subjects}


def threads(n):
    peers = GREEN, RAW, ST, BOOST, GO, GO19

    def yields(name, threads, frames, bar):
        return Row(name, each(peers, f"yield {threads} {frames} {n.yields} 1024"), Bar(bar))

    return [
        yields("yield, 2 threads", 2, 1, 20),
        yields("yield, 100 threads", 100, 1, 13),
        yields("yield, 100 threads, 3 frames deep", 100, 3, 16),
        yields(f"yield, {n.many:,} threads", n.many, 1, 40),
        yields(f"yield, {n.very_many:,} threads", n.very_many, 1, 100),
        Row("start and join", each(peers, f"spawn {n.spawns}"), Bar(60)),
        Row(f"one of {n.alive:,} alive at once",
            each(peers, f"alive {n.alive} {n.bursts}"), Bar(700)),
    ]


def workers(n):
    bars = {0: 1.4, 0.16: 1.4, 0.7: 1.8, 2.6: 1.9}

    def speedup(subject, us, foreign):
        rest = f"100 {round(us * 1000 / n.turn_ns)} {foreign} {n.work_ms}"
        one, two = (Figure(f"{PROGRAM[subject]} work {w} {rest}") for w in (1, 2))
        return Figure(one.command, over=two)

    def row(kind, foreign, us):
        return Row(f"{kind} threads, {us} us of work a turn",
                   {s: speedup(s, us, foreign) for s in (GREEN, GO, GO19)},
                   Bar(bars[us], least=True))

    return [row(kind, foreign, us)
            for foreign, kind in enumerate(("mapped", "foreign")) for us in bars] + [
        Row("slowest of 100 threads, of the fastest",
            each((GREEN, GO, GO19), f"work 2 100 0 0 {n.fair_ms}", name="fair"),
            Bar(0.7, least=True)),
    ]


def channels(n):
    def message(name, capacity, workers, bar, figure="ns"):
        return Row(name, each((GREEN, GO, GO19), f"message {n.messages} {capacity} {workers}",
                              name=figure), bar)

    return [
        message("a word, unbuffered", 0, 1, Bar(40)),
        message("a word, 128 in between", 128, 1, Bar(0.3, GO)),
        message("... with 2 workers, elapsed time", 128, 2, Bar(0.7, GO), "wall"),
        Row(f"a sieve for {n.primes:,} primes, ms",
            each((GREEN, GO, GO19), f"sieve {n.primes} 1", factor=1e-6), Bar(0.5, GO)),
    ]


def memory(n):
    def parked(name, number, figure, subjects, bar, factor=1, gb=0):
        return Row(name, each(subjects, f"parked {number} 1024 {n.idle_s}", name=figure,
                              factor=factor), Bar(bar), gb)

    def by_default(number):
        return Row(f"{number:,} parked, stacks of default size, bytes each",
                   each(peers, f"parked {number} 0 0", name="once"))

    peers = GREEN, ST, GO, GO19
    return [
        parked(f"{n.parked:,} parked, at once, bytes each", n.parked, "once", peers, 1180),
        parked(f"{n.parked:,} parked, idle {n.idle_s} s, bytes each", n.parked, "idle", peers, 450),
        parked(f"{n.most_parked:,} parked, idle {n.idle_s} s, GB", n.most_parked, "idle",
               (GREEN,), 4.5, n.most_parked / 1e9, n.most_parked // 600_000),
        by_default(n.parked // 10),
    ]


def stacks(n):
    counted = f"instructions {n.counted_moves}"
    rows = [
        Row("to prove and move a frame, instructions",
            {GREEN: Figure(counted, "frame")}, Bar(120)),
        Row("to move 2 frames, instructions", {GREEN: Figure(counted, "move")}),
        Row("to move 2 frames, ns", {GREEN: Figure(f"./green move 2 {n.moves}")}, Bar(90)),
    ]
    for name, figure, bar in ("", "ns", 0.5), (", the first thread", "first", 1.0):
        for kib in 4, 16, 64, 256, 1024:
            figures = each((GO, GO19), f"growth {kib << 10} {n.growths}", name=figure,
                           factor=0.001)
            for subject, first in (GREEN_64K, 65536), (GREEN, 1024):
                figures = {subject: Figure(f"./green growth {kib << 10} {n.growths} {first}",
                                           figure, 0.001), **figures}
            size = f"{kib} KiB" if kib < 1024 else "1 MiB"
            rows.append(Row(f"growth to {size}{name}, us", figures, Bar(bar, GO)))
    return rows


def timers(n):
    return [Row(f"{n.sleepers:,} sleepers, a sleep",
                each((GREEN, ST, BOOST, GO, GO19), f"sleepers {n.sleepers} {n.sleeps}",
                     factor=0.001), Bar(0.7))]


def servers(n):
    def served(what, number, subjects):
        return {s: Figure(f"served {what} {number} {n.requests} {command}", "us")
                for s, command in subjects.items()}

    echo = {s: f"{PROGRAM[s]} echo PORT" for s in (GREEN, URING, EPOLL, ST, GO, GO19)}
    http = {GREEN: "../httpd/httpd -p PORT FILES", NGINX: "nginx",
            GO: "./go1.23 http PORT FILES"}
    return [
        Row(f"TCP echo of 64 bytes, {number:,} connections", served("echo", number, echo),
            Bar(bar, URING))
        for number, bar in zip(n.connections, (1.03, 1.08))
    ] + [
        Row("HTTP, a file of 1 KiB, 64 connections", served("http", 64, http), Bar(0.45, NGINX)),
    ]


def groups(n):
    """All of them, of the size n, where a turn of computing takes n.turn_ns."""
    return [
        Group("threads", "Threads: CPU time, ns", threads(n), 10, 130,
              "libdill and neco are not in Debian. Measured elsewhere, in the order of the "
              "rows up to the start, where the limit was 13, 12, 13, 91, 171 and 34: libdill "
              "29, 20, 22, -, - and 75; neco 71, 22, 22, -, - and 101."),
        Group("workers", "Workers: how much faster two are than one", workers(n), 10, 90),
        Group("channels", "Channels: CPU time, ns", channels(n), 10, 60),
        Group("memory", "Memory: page tables included", memory(n), 1, 120,
              "Where nothing is said green's stacks begin with 1 KiB, Go's with 2, those of "
              "state-threads with 64."),
        Group("stacks", "Stacks: moves and growth", stacks(n), 6, 40,
              "To grow, green's stacks begin with 1 KiB, or 64 KiB, the default; Go's with 2."),
        Group("timers", "Timers: CPU time, us", timers(n), 3, 40),
        Group("servers", "Servers: CPU time of a request, us", servers(n), 6, 120),
    ]
