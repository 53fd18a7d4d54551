"""Draws the README's Mermaid chart as SVG: Mermaid itself would need a browser or a script."""

import itertools
import re
from collections import defaultdict
from graphlib import TopologicalSorter
from html import escape
from statistics import fmean

Node = str | tuple[str, int]
"""A box by its name, or a bend: the box that a long arrow leads to and the layer it passes."""

CHARACTER, LINE, PADDING = 7.3, 16, 8
BETWEEN, BELOW = 18, 36
"""Pixels: a character's width and a line's height, room in, beside and below boxes."""


def parse(chart: str) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    r"""Return lines of text by box, and the arrows, of ``a[x,\ny] --> b --> c["z"]`` and the like.

    Raises:
        ValueError: A line is nothing of the kind.
    """
    boxes: dict[str, list[str]] = {}
    arrows: list[tuple[str, str]] = []
    for line in chart.strip().splitlines()[1:]:
        names = []
        for part in line.split("-->"):
            found = re.fullmatch(r"\s*(\w+)(?:\[\"?([^\]\"]+)\"?\])?\s*", part)
            if not found:
                raise ValueError(f"not boxes and arrows of a flowchart: {line!r}")
            name, text = found.groups()
            boxes.setdefault(name, [name])
            if text:
                boxes[name] = text.split(r"\n")
            names.append(name)
        arrows += itertools.pairwise(names)
    return boxes, arrows


def layers_of(boxes: dict[str, list[str]], arrows: list[tuple[str, str]]) -> dict[str, int]:
    """Return each box's layer: below all that lead to it, and the first ones close to the next."""
    before: dict[str, set[str]] = {box: set() for box in boxes}
    after: dict[str, set[str]] = {box: set() for box in boxes}
    for start, end in arrows:
        before[end].add(start)
        after[start].add(end)
    layer: dict[str, int] = {}
    for box in TopologicalSorter(before).static_order():
        layer[box] = max((layer[one] + 1 for one in before[box]), default=0)
    for box in boxes:
        if not before[box] and after[box]:
            layer[box] = min(layer[one] for one in after[box]) - 1
    return layer


def draw(chart: str) -> str:
    """Return the chart as SVG, from top to bottom; the site's style sheet colours it."""
    boxes, arrows = parse(chart)
    layer = layers_of(boxes, arrows)
    rows: list[list[Node]] = [[] for _ in range(max(layer.values()) + 1)]
    for box in boxes:
        rows[layer[box]].append(box)
    # Arrows bend once in every layer that they pass; those to the same box share their bends.
    pieces: dict[tuple[Node, Node], None] = {}
    for start, end in arrows:
        bends: list[Node] = [(end, passed) for passed in range(layer[start] + 1, layer[end])]
        for bend in bends:
            row = rows[int(bend[1])]
            if bend not in row:
                row.append(bend)
        path = [start, *bends, end]
        pieces |= dict.fromkeys(itertools.pairwise(path))
    near: dict[Node, list[Node]] = defaultdict(list)
    for upper, lower in pieces:
        near[upper].append(lower)
        near[lower].append(upper)

    wide: dict[Node, float] = {
        node: max(map(len, boxes[node])) * CHARACTER + 2 * PADDING if isinstance(node, str) else 0
        for row in rows
        for node in row
    }
    middle: dict[Node, float] = {}
    for row in rows:
        place(row, wide, dict.fromkeys(row, 0.0), middle)
    for _ in range(12):
        for sweep in (rows, rows[::-1]):
            for row in sweep:
                wish = {node: fmean(middle[one] for one in near[node]) for node in row}
                row.sort(key=lambda node: wish[node])
                place(row, wide, wish, middle)

    left = min(middle[node] - wide[node] / 2 for node in wide) - 2
    width = max(middle[node] + wide[node] / 2 for node in wide) + 2 - left
    high = [max((len(boxes[n]) for n in row if isinstance(n, str)), default=0) for row in rows]
    top = [2 + sum(high[:i]) * LINE + i * (2 * PADDING + BELOW) for i in range(len(rows))]
    height = top[-1] + high[-1] * LINE + 2 * PADDING + 2

    def side(node: Node, row: int, below: bool) -> tuple[float, float]:
        """Return where an arrow leaves (below) or meets (above) a node."""
        lines = len(boxes[node]) if isinstance(node, str) else high[row]
        room = (high[row] - lines) * LINE / 2
        tall = lines * LINE + 2 * PADDING
        return middle[node] - left, top[row] + room + (tall if below else 0)

    row_of = {node: index for index, row in enumerate(rows) for node in row}
    parts = []
    for upper, lower in pieces:
        (x1, y1), (x2, y2) = side(upper, row_of[upper], True), side(lower, row_of[lower], False)
        half = (y1 + y2) / 2
        path = f"M{x1:.0f} {y1:.0f}C{x1:.0f} {half:.0f} {x2:.0f} {half:.0f} {x2:.0f} {y2:.0f}"
        if not isinstance(lower, str):  # straight on, through the layer
            path += f"V{side(lower, row_of[lower], True)[1]:.0f}"
        head = ' marker-end="url(#head)"' if isinstance(lower, str) else ""
        parts.append(f'<path d="{path}"{head}/>')
    for box, lines in boxes.items():
        x, y = side(box, layer[box], False)
        tall = len(lines) * LINE + 2 * PADDING
        parts.append(
            f'<rect x="{x - wide[box] / 2:.0f}" y="{y:.0f}" width="{wide[box]:.0f}" '
            f'height="{tall}" rx="4"/>'
        )
        parts += [
            f'<text x="{x:.0f}" y="{y + PADDING + (index + 0.75) * LINE:.0f}">{escape(line)}</text>'
            for index, line in enumerate(lines)
        ]
    marker = (
        '<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" '
        'orient="auto"><path d="M0 0L8 4L0 8z"/></marker>'
    )
    return (
        f'<div class="flowchart"><svg width="{width:.0f}" height="{height}" role="img" '
        f'aria-label="Flowchart">{marker}{"".join(parts)}</svg></div>'
    )


def place(
    row: list[Node], wide: dict[Node, float], wish: dict[Node, float], middle: dict[Node, float]
) -> None:
    """Put a row's nodes, in their order, as near to where they wish to be as their widths allow."""
    apart = [(wide[a] + wide[b]) / 2 + BETWEEN for a, b in itertools.pairwise(row)]
    rightmost = [wish[node] for node in row]
    for i, distance in enumerate(apart):
        rightmost[i + 1] = max(rightmost[i + 1], rightmost[i] + distance)
    leftmost = [wish[node] for node in row]
    for i, distance in reversed(list(enumerate(apart))):
        leftmost[i] = min(leftmost[i], leftmost[i + 1] - distance)
    for node, a, b in zip(row, leftmost, rightmost, strict=True):
        middle[node] = (a + b) / 2
