"""Agreement of people with embedders, by how different the two similarities are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.results.table_files import read_csv
from gapmatch.tables.agreement_by_difference import SCHEMA, TABLE

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

COLOURS = (style.BLUE, style.VERMILLION, *style.GAP_MATCH_COLOURS)
MARKERS = ("o", "s", *style.GAP_MATCH_MARKERS)
CHANCE = 0.5


@style.styled
def draw(frame: pl.DataFrame) -> Figure:
    """One panel per test set and one for all, a line per embedder."""
    tests = frame["test_set"].unique(maintain_order=True).to_list()
    embedders = frame["embedder"].unique(maintain_order=True).to_list()
    figure, axes = style.panels(len(tests), sharey=True)
    for panel, test_set in zip(axes, tests, strict=True):
        rows = frame.filter(test_set=test_set)
        for place, embedder in enumerate(embedders):
            bins = rows.filter(embedder=embedder)
            panel.errorbar(
                bins["mean_difference"].to_numpy(),
                bins["agreement"].to_numpy(),
                yerr=style.bars(bins, "agreement"),
                color=COLOURS[place % len(COLOURS)],
                marker=MARKERS[place % len(MARKERS)],
                markersize=4.5,
                elinewidth=0.9,
                label=embedder,
            )
        panel.axhline(CHANCE, color="#999999", linewidth=1)
        n = rows.filter(embedder=embedders[0])["n"].sum()
        panel.set_title(f"{test_set} (n = {n:,})")
        panel.set_ylim(-0.02, 1.02)
        style.in_percent(panel.yaxis)
    style.label_axes(
        axes,
        "size of the difference between the similarities",
        "answers that agree with the embedder",
    )
    style.legend_below(figure, axes)
    return figure


def plot(*, table: Path, out: Path) -> None:
    """Plot the agreement of people with embedders by the difference of the similarities.

    Args:
        table: CSV of the table agreement_by_difference.
        out: Path of the figure without suffix.
    """
    frame = read_csv(table, SCHEMA)
    style.save(draw(frame), frame, out)


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(table="agreement_by_difference"),
    items=TABLE.items,
    place=62,
    caption=(
        "The human check, a panel for each test set and one for all: the share of answers that "
        "chose the image that the embedder finds nearer, by the absolute difference between the "
        "cosine similarities of the pool's and the reference's image. Each point is a bin of about "
        "equally many of the n trials, placed at its mean absolute difference. Similarities of "
        "different embedders have different scales: compare heights, not positions along the axis. "
        "Bars are 95 % percentile bootstrap intervals over raters and trials both (with "
        "one rater over trials alone). The grey line is chance."
    ),
)
