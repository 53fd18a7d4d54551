"""How much of the variance within the grid size and diversity explain, for each test set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.tables.accuracy import described
from gapmatch.tables.factors import DIVERSITY, REST, SIZE, TABLE, read_factors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


LOOKS = {
    SIZE: (style.BLUE, "o", "size"),
    DIVERSITY: (style.VERMILLION, "D", "diversity (clusters)"),
    REST: (style.GREY, "s", "the rest: interaction and noise"),
}
ROW = 0.42
"""Inches of a test set."""


@style.styled
def draw(frame: pl.DataFrame) -> Figure:
    """Shares of the variance on the left, what a doubling adds on the right; a row per score."""
    scores = list(frame.select("test_set", "n", "metric").unique(maintain_order=True).iter_rows())
    if not scores:
        figure = style.grid(1, 1)[0]
        return style.say_nothing_to_draw(figure, "no complete grid of diverse subsets")
    figure = style.canvas(7.2, ROW * len(scores) + 1.1, layout="constrained")
    shares, slopes = figure.subplots(1, 2, sharey=True)
    for place, (factor, (colour, marker, label)) in enumerate(LOOKS.items()):
        rows = frame.filter(factor=factor)
        at = np.arange(len(scores)) + 0.22 * (place - 1)
        for panel, column, of_column in ((shares, "share", rows), (slopes, "slope", rows)):
            if factor == REST and panel is slopes:
                continue
            panel.errorbar(
                of_column[column].to_numpy(),
                at,
                xerr=style.bars(of_column, column),
                color=colour,
                marker=marker,
                markersize=4.5,
                linestyle="none",
                elinewidth=0.9,
                label=label,
            )
    _label(shares, slopes, [described(*score) for score in scores])
    style.legend_below(figure, [shares])
    return figure


def _label(shares: Axes, slopes: Axes, names: list[str]) -> None:
    shares.set_yticks(range(len(names)), names)
    shares.set_ylim(len(names) - 0.5, -0.5)
    shares.set_xlim(0, 1)
    style.in_percent(shares.xaxis)
    shares.set_xlabel("share of the variance between cells")
    slopes.axvline(0, color="#999999", linewidth=1)
    slopes.set_xlabel("what doubling it adds to the logit")


def plot(*, factors: Path, out: Path) -> None:
    """Plot what size and diversity explain.

    Args:
        factors: CSV of the table of factors.
        out: Path of the figure without suffix.
    """
    frame = read_factors(factors)
    style.save(draw(frame), frame, out)


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(factors="factors"),
    items=TABLE.items,
    place=74,
    caption=(
        "Scale or diversity, a row for each test set. A cell of the grid is one size and one "
        "number of clusters. Left: the share of the variance between cells (of the logit of the "
        "score; means over models) that size and diversity explain, and the rest, which is "
        "interaction and noise, with 95 % percentile intervals of a bootstrap over the n test "
        "images and the models of each cell. Noise alone gives every factor a share above zero: "
        "judge whether a factor matters on the right, by what doubling the size, or the number of "
        "clusters, adds to the logit, with the 95 % interval of a linear model (table factors)."
    ),
)
