# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""The results as tables in Markdown, which are aligned to be read as they are, too."""

from rows import LIMITS


def number(x):
    """Three digits that count."""
    if x >= 999.5:
        return f"{x:,.0f}"
    digits = 0 if x >= 99.95 else 1 if x >= 9.995 else 2
    return f"{x:.{digits}f}"


def cell(value):
    """The best and the median of a figure."""
    if value is None:
        return ""
    best, median = map(number, value[:2])
    return best if best == median else f"{best} ({median})"


def nearest(row, values):
    """The subject that green is compared with: the bar's, or the best of the peers."""
    if row.bar and row.bar.of:
        return row.bar.of if row.bar.of in values else None
    peers = {s: v for s, v in values.items() if not s.startswith("green") and s not in LIMITS}
    if not peers:
        return None
    best = max if row.bar and row.bar.least else min
    return best(peers, key=lambda s: peers[s][0])


def ratio(row, values):
    peer = nearest(row, values)
    if not peer or "green" not in values:
        return None, ""
    times = values["green"][0] / values[peer][0] if values[peer][0] else 0
    return times, f"{number(times)} x {peer}"


def verdict(row, values):
    """What the bar is, and whether it is met, or by how much not."""
    if not row.bar:
        return "", ""
    sign = "≥" if row.bar.least else "≤"
    bar = f"{sign} {row.bar.limit:,g}" + (f" x {row.bar.of}" if row.bar.of else "")
    reached = ratio(row, values)[0] if row.bar.of else values.get("green", [None])[0]
    if reached is None:
        return bar, "-"
    over = round(reached / row.bar.limit, 2)	# as it is printed
    if over >= 1 if row.bar.least else over <= 1:
        return bar, "yes"
    return bar, f"no: {number(over)} x"


def met(group, results):
    """For each bar, whether it is."""
    return [verdict(row, results[row.name])[1] == "yes" for row in group.rows if row.bar]


def lines(group, results):
    subjects = list(dict.fromkeys(s for row in group.rows for s in row.figures))
    subjects.sort(key=lambda s: not s.startswith("green"))
    table = [["", *subjects, "ratio", "bar", "met"]]
    for row in group.rows:
        values = results[row.name]
        table.append([row.name, *(cell(values.get(s)) for s in subjects),
                      ratio(row, values)[1], *verdict(row, values)])
    return table


def markdown(group, results, without):
    table = lines(group, results)
    widths = [max(map(len, column)) for column in zip(*table)]
    table.insert(1, ["-" * w for w in widths])
    out = [f"**{group.title}**", ""]
    for cells in table:
        out.append("| " + " | ".join(c.ljust(w) for c, w in zip(cells, widths)) + " |")
    out.append("")
    for (subject, word, why), names in without.items():
        of = sum(subject in row.figures for row in group.rows)
        what = "all rows" if len(names) == of else "; ".join(names)
        out += [f"{word}: {subject}: {why} ({what})", ""]
    if group.note:
        out += [group.note, ""]
    return "\n".join(out)
