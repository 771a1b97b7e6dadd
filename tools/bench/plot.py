# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""A plot of a group: a panel for each row, a bar for each subject with its value, and
where the bar is that green is to meet."""

from html import escape

import rows
from table import number

COLOURS = {
    rows.GREEN: "#2e8b57", rows.GREEN_64K: "#8fc9a8",
    rows.RAW: "#9a9a9a", rows.URING: "#9a9a9a", rows.EPOLL: "#c4c4c4",
    rows.ST: "#e08a2e", rows.BOOST: "#b5532a",
    rows.GO: "#2b7bba", rows.GO19: "#86b8de", rows.NGINX: "#8458b3",
}
FONT = "font-family=\"'Helvetica Neue', Helvetica, Arial, sans-serif\""
WIDTH, COLUMNS, MARGIN = 860, 2, 20
LINE, HEAD, GAP = 20, 30, 18
LABEL, VALUE = 122, 52


def text(x, y, content, size=12, anchor="start", colour="#222", weight="normal"):
    """With an edge of the background's colour, so that no line runs through it."""
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}" font-weight="{weight}" stroke="#fff" stroke-width="3" '
            f'paint-order="stroke">{escape(content)}</text>')


def limit(row, values):
    """What green is to reach here, or None."""
    if not row.bar:
        return None
    if not row.bar.of:
        return row.bar.limit
    return row.bar.limit * values[row.bar.of][0] if row.bar.of in values else None


def panel(x, y, width, row, values):
    """A row's part of the picture, as lines of SVG."""
    mark = limit(row, values)
    room = width - LABEL - VALUE
    largest = max([v[0] for v in values.values()] + [mark or 0]) or 1
    out, labels = [], [text(x, y + 14, row.name, 13, weight="bold")]
    for i, (subject, (best, _)) in enumerate(values.items()):
        top = y + HEAD + i * LINE - 6
        length = max(1, room * best / largest)
        out.append(f'<rect x="{x + LABEL}" y="{top}" width="{length:.1f}" height="15" '
                   f'rx="2" fill="{COLOURS[subject]}"/>')
        labels.append(text(x + LABEL - 8, top + 12, subject, anchor="end"))
        labels.append(text(x + LABEL + length + 6, top + 12, number(best),
                           weight="bold" if subject == rows.GREEN else "normal"))
    if mark is not None:
        at, low = x + LABEL + room * mark / largest, y + HEAD - 9
        bar = f"bar: at {'least' if row.bar.least else 'most'} {row.bar.limit:,g}"
        out.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{low}" '
                   f'y2="{low + len(values) * LINE + 2}" stroke="#c0392b" '
                   f'stroke-width="1.5" stroke-dasharray="4 3"/>')
        labels.append(text(x + width, y + 14, bar + (f" x {row.bar.of}" if row.bar.of else ""),
                           11, "end", "#c0392b"))
    return out + labels


def write(path, group, results):
    width = (WIDTH - MARGIN * (COLUMNS + 1)) // COLUMNS
    y, out = 48, []
    shown = [(row, results[row.name]) for row in group.rows if results[row.name]]
    for i in range(0, len(shown), COLUMNS):
        line = shown[i:i + COLUMNS]
        for j, (row, values) in enumerate(line):
            out += panel(MARGIN + j * (width + MARGIN), y, width, row, values)
        y += HEAD + max(len(values) for _, values in line) * LINE + GAP
    with open(path, "w") as f:
        f.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" '
                f'width="{WIDTH}" height="{y}" {FONT}>\n'
                f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>\n'
                + text(MARGIN, 28, group.title, 17, weight="bold") + "\n"
                + "\n".join(out) + "\n</svg>\n")
