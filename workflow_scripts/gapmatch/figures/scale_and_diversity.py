"""Accuracy over size for each diversity, and over diversity for each size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.tables.accuracy import described, over_seeds, read_accuracy
from gapmatch.tables.factors import gridded
from gapmatch.tables.subsets import TrainingSet, read_training_sets, with_common_reference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


AXES = {"size": "pool images", "clusters": "clusters drawn from"}


def grid_rows(accuracy: pl.DataFrame, subsets: Sequence[TrainingSet]) -> pl.DataFrame:
    """Accuracies of the diverse subsets, means over the models of a cell.

    Args:
        accuracy: ``accuracy.accuracy_table``.
        subsets: The table of subsets.

    Returns:
        test_set, metric, n, size (pool samples), clusters, models, score, score_low, score_high;
        bounds are averaged over the models, see ``statistics.seed_interval``.
    """
    diverse = with_common_reference(one for one in subsets if one.method == "diverse")
    known = pl.DataFrame(
        {
            "training_set": [one.subset for one in diverse],
            "size": [one.kept for one in diverse],
            "clusters": [int(one.settings["clusters"]) for one in diverse],
        },
        schema={"training_set": pl.String, "size": pl.Int64, "clusters": pl.Int64},
    )
    rows = over_seeds(accuracy).join(known, on="training_set", maintain_order="left")
    return (
        rows.group_by("test_set", "metric", "n", "size", "clusters", maintain_order=True)
        .agg(
            pl.col("seeds").sum().alias("models"), pl.col("score", "score_low", "score_high").mean()
        )
        .sort("size", "clusters", maintain_order=True)
    )


@style.styled
def draw(frame: pl.DataFrame) -> Figure:
    """Two panels for each test set: a line per number of clusters, and a line per size."""
    tests = frame["test_set"].unique(maintain_order=True).to_list()
    if not tests:
        figure = style.grid(1, 1)[0]
        return style.say_nothing_to_draw(figure, "no diverse subsets")
    figure, axes = style.panels(2 * len(tests), columns=4)
    for place, test_set in enumerate(tests):
        rows = frame.filter(test_set=test_set)
        title = described(test_set, rows["n"][0], rows["metric"][0])
        for panel, x, lines in (
            (axes[2 * place], "size", "clusters"),
            (axes[2 * place + 1], "clusters", "size"),
        ):
            _draw_panel(panel, rows, x, lines)
            panel.set_title(title, fontsize=8)
    style.legend_below(figure, axes)
    return figure


def _draw_panel(panel: Axes, rows: pl.DataFrame, x: str, lines: str) -> None:
    from matplotlib.ticker import EngFormatter, FixedLocator, NullLocator

    words = {"size": "{:,} images", "clusters": "{:,} clusters"}[lines]
    colours = {"size": style.LIGHT_TO_DARK_BLUE, "clusters": style.LIGHT_TO_DARK_RED}[lines]
    values = sorted(rows[lines].unique().to_list())
    for place, value in enumerate(values):
        points = rows.filter(pl.col(lines) == value).sort(x)
        shift = 1 + 0.03 * (place - (len(values) - 1) / 2)  # bars side by side
        panel.errorbar(
            shift * points[x].to_numpy(),
            points["score"].to_numpy(),
            yerr=style.bars(points, "score"),
            color=colours[place % len(colours)],
            marker=style.GAP_MATCH_MARKERS[place % len(style.GAP_MATCH_MARKERS)],
            markersize=4.5,
            elinewidth=0.9,
            label=words.format(value),
        )
    panel.set_xscale("log")
    panel.xaxis.set_major_locator(FixedLocator(sorted(rows[x].unique().to_list())))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    panel.set_xlabel(AXES[x])
    style.in_percent(panel.yaxis)
    panel.set_ylabel("accuracy")
    panel.set_ylim(bottom=0)


def plot(*, accuracy: Path, subsets: Path, out: Path) -> None:
    """Plot accuracy over size for each diversity, and over diversity for each size.

    Args:
        accuracy: CSV of the table of accuracies.
        subsets: CSV of the table of subsets.
        out: Path of the figure without suffix.
    """
    frame = grid_rows(read_accuracy(accuracy), read_training_sets(subsets))
    style.save(draw(frame), frame, out)


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(accuracy="accuracy", subsets="subsets"),
    items=lambda results: [""] if gridded(results) else [],
    place=72,
    caption=(
        "Scale and diversity, two panels for each test set: accuracy (top-1, where no other metric "
        "is named) of the diverse subsets against the number of pool images, a line for each "
        "number of clusters; and against the number of clusters, a line for each number of pool "
        "images. n is the number of test images. Bars are 95 % percentile bootstrap intervals over "
        "test images; accuracy and bounds are averaged over the models of a cell (seeds of the "
        "choice and of the training). The reference is part of every training set."
    ),
)
