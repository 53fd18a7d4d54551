"""What was pruned: the fraction of the pool by style, in and out of the classes of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.results.table_files import read_csv
from gapmatch.tables.pruned import SCHEMA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


PARTS = {  # test_class: label, colour
    True: ("classes of the tests", style.VERMILLION),
    False: ("other classes", style.BLUE),
    None: ("class unknown", style.GREY),
}


@style.styled
def draw(frame: pl.DataFrame) -> Figure:
    """One panel per subset that prunes a part of the pool, with counts above its bars.

    Args:
        frame: ``tables.pruned.count_pruned``.
    """
    sums = frame.group_by("subset", maintain_order=True).agg(pl.col("pruned", "pool").sum())
    some = (pl.col("pruned") > 0) & (pl.col("pruned") < pl.col("pool"))
    subsets = sums.filter(some)["subset"].to_list()
    if not subsets:
        return style.say_nothing_to_draw(style.grid(1, 1)[0], "no subset prunes a part of the pool")
    figure, axes = style.panels(len(subsets), columns=3, sharey=True)
    for panel, subset in zip(axes, subsets, strict=True):
        _draw_bars(panel, frame.filter(pl.col("subset") == subset))
        panel.set_title(subset)
    style.label_axes(axes, "", "pruned, of the pool samples")
    style.legend_below(figure, axes)
    return figure


def _draw_bars(panel: Axes, rows: pl.DataFrame) -> None:
    styles = rows["style"].unique(maintain_order=True).to_list()
    parts = [part for part in PARTS if part in rows["test_class"].to_list()]
    width = 0.8 / len(parts)
    for index, part in enumerate(parts):
        bars = rows.filter(pl.col("test_class").eq_missing(pl.lit(part, pl.Boolean)))
        place = [styles.index(name) for name in bars["style"]]
        x = np.array(place) + (index - (len(parts) - 1) / 2) * width
        label, colour = PARTS[part]
        panel.bar(x, bars["fraction"].to_numpy(), width * 0.92, color=colour, label=label)
        for left, row in zip(x, bars.iter_rows(named=True), strict=True):
            text = f"{row['pruned']:,}\nof {row['pool']:,}"
            panel.text(left, row["fraction"] + 0.015, text, ha="center", va="bottom", fontsize=6.5)
    panel.set_xticks(range(len(styles)), styles)
    panel.set_xlim(-0.6, len(styles) - 0.4)
    panel.grid(axis="x", visible=False)
    panel.set_ylim(0, 1.16)
    panel.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
    style.in_percent(panel.yaxis)


def plot(*, table: Path, out: Path) -> None:
    """Plot what share of the pool's samples was pruned, by style.

    Args:
        table: CSV of the table of what was pruned.
        out: Path of the figure without suffix.
    """
    frame = read_csv(table, SCHEMA)
    style.save(draw(frame), frame, out)


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(table="pruned"),
    place=90,
    items=lambda results: [""] if results.has_styles() else [],
    caption=(
        "What pruning removed: the fraction of the samples of each style in the pool (after "
        "deduplication) that each subset prunes, for samples whose class occurs in any of the "
        "test sets and for the others. Above each bar stand the number of pruned samples and n, "
        "the number in the pool. Every sample is counted, so there is no interval. Subsets that "
        "prune nothing or everything are left out."
    ),
)
