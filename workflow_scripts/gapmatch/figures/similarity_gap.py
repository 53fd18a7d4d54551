"""Histograms of nearest-neighbour similarity before any pruning: the similarity gap."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.drawing import style
from gapmatch.drawing.histograms import draw_curves
from gapmatch.results import shown
from gapmatch.results.table_files import read_csv
from gapmatch.tables.similarity_gap import SCHEMA

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def draw(frame: pl.DataFrame) -> Figure:
    """One panel per test set: pool and reference, before any pruning."""
    tests = frame["test_set"].unique(maintain_order=True).to_list()
    figure, axes = style.panels(len(tests), sharex=True)
    for panel, test_set in zip(axes, tests, strict=True):
        rows = frame.filter(pl.col("test_set") == test_set)
        draw_curves(panel, rows)
        images = rows.filter(pl.col("curve") == "reference")["count"].sum()
        share = f"{100 * rows['nearer'][0]:.0f} % nearer to the pool"
        panel.set_title(f"{test_set} (n = {images:,})\n{share}")
    style.label_axes(axes, "similarity of the nearest neighbour", "fraction of test images")
    style.legend_below(figure, axes)
    return figure


def plot(*, table: Path, out: Path) -> None:
    """Plot the nearest-neighbour similarities of pool and reference, before any pruning.

    Args:
        table: CSV of the table similarity_gap.
        out: Path of the figure without suffix.
    """
    frame = read_csv(table, SCHEMA)
    style.save(draw(frame), frame, out)


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(table="similarity_gap"),
    place=10,
    paper=("fig2", "fig3"),
    caption=(
        "Similarity gap: histograms, over the test images of each test set, of the cosine "
        "similarity to the nearest neighbour in the pool before pruning (filled) and in the "
        "reference (line). Ticks on the lower edge are medians; n is the number of test images; "
        "the percentage is the share of test images whose nearest pool image is nearer than the "
        "nearest reference image. Every test image is counted, so there is no interval."
    ),
)
