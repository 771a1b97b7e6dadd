# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""Green threads in gdb, in a process or a core file.

    (gdb) source tools/gdb/green-gdb.py
    (gdb) green threads          all of them: state, stack, for what they wait and where
    (gdb) green bt 7             the frames of the thread with this id
    (gdb) green bt 7 full        ... and their locals

In a process gdb itself unwinds, from registers that are put back afterwards. In a
core file these cannot be set: frames are those along the frame pointers then.
"""
import gdb
import gdb.types

PARKED = ("STATE_READY", "STATE_PARKED")


def number(expression):
    return int(gdb.parse_and_eval(expression))


def threads():
    """All threads, in the order of their descriptors (libuser/base/handle.c)."""
    table = gdb.lookup_static_symbol("descriptors").value()
    chunk, size, first = 0, 64, 0
    while first < int(table["nr_used"]):
        for i in range(min(size, int(table["nr_used"]) - first)):
            t = (table["chunk"][chunk] + i)
            if int(t["handle"]) >> 63:
                yield t
        chunk, size, first = chunk + 1, 2 * size, first + size


def wait_name(t):
    """What a parked thread waits for, and in what."""
    if not t["wait"] or state_name(t) != "STATE_PARKED":
        return ""
    kind = t["wait"]["name"].string()
    if t["io"] and (t["io"]["busy"] or t["io"]["in_flight"]):
        fd = int(t["io"]["fd"])
        return kind + (" of descriptor %d: " % fd if fd >= 0 else ": ")
    return kind + (" %#x: " % int(t["wait_on"]) if t["wait_on"] else ": ")


def state_name(t):
    names = gdb.types.make_enum_dict(t["state"].type)
    return next(n for n, v in names.items() if v == int(t["state"]))


def words(address, count):
    pointer = gdb.lookup_type("unsigned long").pointer()
    at = gdb.Value(address).cast(pointer)
    return [int(at[i]) for i in range(count)]


def place(pc):
    """function+offset, and the line if it is known."""
    block = gdb.block_for_pc(pc)
    while block and not block.function:
        block = block.superblock
    line = gdb.find_pc_line(pc)
    text = gdb.execute("info symbol %#x" % pc, to_string=True)
    name = block.function.name if block else text.split(" in section")[0].strip()
    return name + (" at %s:%d" % (line.symtab.filename, line.line) if line.symtab else "")


def saved(t):
    return t["sp"].cast(gdb.lookup_type("struct green_saved").pointer())


def registers(t):
    """What a thread that does not run goes on with."""
    s = saved(t)
    regs = {r: int(s[r]) for r in ("rbx", "rbp", "r12", "r13", "r14", "r15")}
    regs["rip"] = int(s["pc"])
    regs["rsp"] = int(t["sp"]) + s.dereference().type.sizeof
    return regs


def set_registers(regs):
    # The stack pointer first: gdb asks what it has of frames for the others.
    for name in sorted(regs, key=lambda r: r != "rsp"):
        gdb.execute("set $%s = %#x" % (name, regs[name] % 2**64), to_string=True)


def backtrace(t, how):
    gdb.execute("select-frame level 0", to_string=True)
    regs = registers(t)
    old = {r: number("(unsigned long)$" + r) for r in regs}
    try:
        set_registers(regs)
        gdb.execute("bt " + how)
    finally:
        set_registers(old)


def chain(t):
    """The frames of a core file, (pc, frame), from the innermost on."""
    pc, rbp = int(saved(t)["pc"]), int(saved(t)["rbp"])
    base = number("(unsigned long)&green_thread_base")
    joins = [number("(unsigned long)&green_segment_leave"),
             number("(unsigned long)&green_segment_leave_far")]
    while pc != base:
        if pc not in joins:
            yield pc, rbp
        if not rbp:
            return
        rbp, pc = words(rbp, 2)


class Green(gdb.Command):
    """Green threads: green threads, green bt ID [full]"""

    def __init__(self):
        super().__init__("green", gdb.COMMAND_STACK, prefix=True)


class GreenThreads(gdb.Command):
    """List green threads: id, name, state, bytes of stack, bytes used, moves, where."""

    def __init__(self):
        super().__init__("green threads", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        row = "%6s  %-12s %-8s %9s %9s %6s  %s"
        print(row % ("id", "name", "state", "stack", "used", "moves", "where"))
        for t in sorted(threads(), key=lambda t: int(t["id"])):
            name = t["name"].string() if t["name"] else "-"
            what = state_name(t)
            size, used, where = int(t["hi"] - t["lo"]), "-", "-"
            if what in PARKED:
                used = int(t["hi"] - t["sp"])
                where = wait_name(t) + place(int(saved(t)["pc"]) - 1)
            print(row % (int(t["id"]), name, what[6:].lower(), size, used,
                         int(t["moves"]), where))


class GreenBacktrace(gdb.Command):
    """Print the frames of a green thread that does not run: green bt ID [full]"""

    def __init__(self):
        super().__init__("green bt", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        words_of = argument.split()
        if not words_of or words_of[1:] not in ([], ["full"]):
            raise gdb.GdbError("green bt ID [full]")
        found = [t for t in threads() if int(t["id"]) == int(words_of[0])]
        if not found:
            raise gdb.GdbError("no green thread has the id " + words_of[0])
        if state_name(found[0]) not in PARKED:
            raise gdb.GdbError("it is %s: use bt in its OS thread"
                               % state_name(found[0])[6:].lower())
        try:
            backtrace(found[0], " ".join(words_of[1:]))
            return
        except gdb.error:
            pass  # a core file: no register can be set
        for i, (pc, rbp) in enumerate(chain(found[0])):
            # A return address is behind its call.
            print("#%-3d %#018x in %s" % (i, pc, place(pc - 1)))


Green()
GreenThreads()
GreenBacktrace()
