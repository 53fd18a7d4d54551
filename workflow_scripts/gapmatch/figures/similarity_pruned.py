"""Histograms of nearest-neighbour similarity before and after gap matching."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.drawing import style
from gapmatch.drawing.histograms import draw_curves
from gapmatch.results import shown
from gapmatch.results.table_files import read_csv
from gapmatch.tables.similarity_pruned import SCHEMA

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def draw(frame: pl.DataFrame) -> Figure:
    """One panel for each gap-matched subset and each test set that it is measured against."""
    shown = frame.partition_by("subset", "test_set", maintain_order=True)
    figure, axes = style.panels(len(shown), sharex=True)
    for panel, rows in zip(axes, shown, strict=True):
        draw_curves(panel, rows)
        subset, test_set, matched = rows.select("subset", "test_set", "matched").row(0)
        panel.set_title(f"{subset}\non {test_set}{', matched' if matched else ''}")
        if not matched:
            panel.set_facecolor("#f6f6f6")
    style.label_axes(axes, "similarity of the nearest neighbour", "fraction of test images")
    style.legend_below(figure, axes)
    return figure


def plot(*, table: Path, out: Path) -> None:
    """Plot the nearest-neighbour similarities before and after each gap matching.

    Args:
        table: CSV of the table similarity_pruned.
        out: Path of the figure without suffix.
    """
    frame = read_csv(table, SCHEMA)
    style.save(draw(frame), frame, out)


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(table="similarity_pruned"),
    items=lambda results: [""] if len(results.shown_subsets()) > 1 else [],
    place=20,
    paper=("fig5", "fig6"),
    caption=(
        "What gap-matched pruning does to the similarity gap: for each gap-matched subset and "
        "test set, histograms over all test images of the nearest-neighbour similarity of the "
        "pool before and after pruning, of the reference, and of the training set, that is, pool "
        "after pruning plus reference (dotted). On the test sets that a subset was matched to "
        "(with rank 1 and offset 0) the dotted line coincides with the reference; on the others "
        "(grey panels) it need not. Ticks on the lower edge are medians. n is as in the figure of "
        "the similarity gap; every test image is counted, so there is no interval."
    ),
)
