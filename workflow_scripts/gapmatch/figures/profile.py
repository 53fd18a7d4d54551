"""The similarity profile: how similar the 1st, 2nd, ... nearest image is, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.results.table_files import read_csv
from gapmatch.tables.profile import SCHEMA
from gapmatch.tables.subsets import TrainingSet, read_training_sets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gapmatch.config.results import Results

REFERENCE = ("reference", style.ORANGE, "-")
TICKS = (1, 2, 5, 10, 20, 50)
AFTER = {  # curve: label, colour, line style
    "pool": ("pool, after pruning", style.BLUE, "-"),
    "training set": ("pool after pruning + reference", style.BLACK, ":"),
}


@style.styled
def draw(frame: pl.DataFrame, subsets: Sequence[TrainingSet], baseline: str) -> Figure:
    """One panel per gap-matched subset and test set that it was matched to.

    Args:
        frame: SCHEMA.
        subsets: The table of subsets; those without rows in the frame are left out.
        baseline: The subset whose pool is that before pruning.
    """
    profiled = set(frame["subset"])
    shown = [
        (subset, test_set)
        for subset in subsets
        if subset.method == "gap_match" and subset.subset in profiled
        for test_set in subset.test_sets
    ]
    if not shown:
        return style.say_nothing_to_draw(style.grid(1, 1)[0], "no gap-matched subset")
    figure, axes = style.panels(len(shown), sharex=True)
    for panel, (subset, test_set) in zip(axes, shown, strict=True):
        here = frame.filter(pl.col("test_set") == test_set)
        before = here.filter(pl.col("subset") == baseline, pl.col("curve") == "pool")
        after = here.filter(pl.col("subset") == subset.subset)
        _draw_curve(panel, before, "pool, before pruning", style.GREY, "-", band=True)
        _draw_curve(panel, after.filter(pl.col("curve") == "reference"), *REFERENCE, band=True)
        for curve, (label, colour, line) in AFTER.items():
            _draw_curve(panel, after.filter(pl.col("curve") == curve), label, colour, line)
        rank = subset.rank or 1
        panel.axvline(rank, color=style.VERMILLION, linewidth=0.8, label="matched rank")
        _place_ticks(panel)
        panel.set_title(f"{subset.subset}\non {test_set}", fontsize=8.5)
    style.label_axes(axes, "rank of the neighbour", "similarity, mean over test images")
    style.legend_below(figure, axes)
    return figure


def _place_ticks(panel: Axes) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    panel.set_xscale("log")
    panel.xaxis.set_major_locator(FixedLocator(TICKS))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(ScalarFormatter())


def _draw_curve(
    panel: Axes, rows: pl.DataFrame, label: str, colour: str, line: str, *, band: bool = False
) -> None:
    rows = rows.drop_nulls("mean").sort("rank")
    if rows.is_empty():
        return
    ranks = rows["rank"].to_numpy()
    if band:
        low, high = rows["low"].to_numpy(), rows["high"].to_numpy()
        panel.fill_between(ranks, low, high, color=colour, alpha=0.15, linewidth=0)
    panel.plot(ranks, rows["mean"].to_numpy(), color=colour, linestyle=line, label=label)


def plot(*, table: Path, subsets: Path, baseline: str, out: Path) -> None:
    """Plot how similar the nearest ranks of pool and reference are, before and after pruning.

    Args:
        table: CSV of the table profile.
        subsets: CSV of the table of subsets.
        baseline: The subset that keeps the whole pool.
        out: Path of the figure without suffix.
    """
    frame = read_csv(table, SCHEMA)
    style.save(draw(frame, read_training_sets(subsets), baseline), frame, out)


def needs(results: Results, _: str) -> shown.Needs:
    """Return the profiles and the table of subsets."""
    tables = {"table": results.table("profile"), "subsets": results.table("subsets")}
    return shown.Needs(list(tables.values()), tables, {"baseline": results.baseline})


FIGURE = shown.Figure(
    make=plot,
    needs=needs,
    place=30,
    items=lambda results: [""] if results.gap_matched else [],
    paper=("fig6",),
    caption=(
        "Similarity profiles: the cosine similarity of the 1st, 2nd, ... 50th nearest image of "
        "the pool before pruning (grey), of the pool after pruning (blue), of the reference "
        "(orange) and of pruned pool and reference together (dotted), averaged over the test "
        "images of the test set that the subset was matched to. Bands hold the middle 90 % of the "
        "test images, whose number n is in the figure of the similarity gap; every one is "
        "counted, so there is no interval. Up to the matched rank (red line) the dotted line "
        "coincides with the reference's; behind it the pool may hold more near images than the "
        "reference does, which is what matching a higher rank removes."
    ),
)
