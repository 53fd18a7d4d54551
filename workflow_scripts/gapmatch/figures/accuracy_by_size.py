"""Accuracy against the size of the training set, for every way of pruning."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.subset.method import methods, sized_methods
from gapmatch.tables.accuracy import described, over_seeds, read_accuracy
from gapmatch.tables.subsets import TrainingSet, read_training_sets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def accuracy_by_size(
    accuracy: pl.DataFrame, subsets: Sequence[TrainingSet], steered: bool
) -> pl.DataFrame:
    """Accuracy over seeds, with the size of each training set.

    Args:
        accuracy: ``accuracy.accuracy_table``.
        subsets: The table of subsets; training sets that are not in it are left out.
        steered: Whether near- and far-pruned training sets are shown on the test sets that they
            were selected against, or on all the others. Those selected against none are shown on
            all.

    Returns:
        test_set, metric, series (a curve, or the name of a single training set), method, size,
        settings (JSON), training_set (the first of those), seeds (models, whose scores and bounds
        are averaged), n, score, score_low, score_high, spread; in the order of ``subsets``.
    """
    known = pl.DataFrame(
        {
            "training_set": [subset.subset for subset in subsets],
            "method": [subset.method for subset in subsets],
            "series": [subset.series for subset in subsets],
            "size": [subset.size for subset in subsets],
            "settings": [json.dumps(subset.settings, sort_keys=True) for subset in subsets],
            "steered_by": [list(subset.test_sets) for subset in subsets],
        },
        schema_overrides={"steered_by": pl.List(pl.String)},
    )
    joined = known.join(
        over_seeds(accuracy), on="training_set", how="inner", maintain_order="left_right"
    )
    curve = pl.col("method").is_in(sized_methods()) & (pl.col("steered_by").list.len() > 0)
    own = pl.col("steered_by").list.contains(pl.col("test_set"))
    return (
        joined.filter(~curve | (own == steered))
        .group_by("test_set", "metric", "series", "method", "size", "settings", maintain_order=True)
        .agg(
            pl.col("training_set").first(),
            pl.col("seeds").sum(),
            pl.col("n").first(),
            pl.col("score", "score_low", "score_high", "spread").mean(),
        )
    )


@style.styled
def draw(frame: pl.DataFrame, looks: Mapping[str, style.Look]) -> Figure:
    """One panel per test set: a curve per size-pruned series, a point per other training set."""
    tests = frame["test_set"].unique(maintain_order=True).to_list()
    figure, axes = style.panels(len(tests), sharex=True)
    for panel, test_set in zip(axes, tests, strict=True):
        rows = frame.filter(pl.col("test_set") == test_set)
        _draw_panel(panel, rows, looks)
        panel.set_title(described(str(test_set), rows["n"][0], rows["metric"][0]))
    style.label_axes(axes, "images in the training set", "accuracy")
    style.legend_below(figure, axes)
    return figure


def _draw_panel(panel: Axes, rows: pl.DataFrame, looks: Mapping[str, style.Look]) -> None:
    whole = rows.filter(pl.col("method") == "all").head(1)
    for (series,), points in rows.group_by("series", maintain_order=True):
        look = style.look_of(dict(looks), points["training_set"][0])
        method, points = points["method"][0], points.sort("size")
        # Mixtures of one size are no curve.
        sized = method in sized_methods() and points["size"].is_unique().all()
        # Keeping everything is the last point of a curve that the size alone tells apart.
        ends = sized and not methods()[method].curve
        line = pl.concat([points, whole]) if ends else points
        panel.plot(
            line["size"],
            line["score"],
            color=look.colour,
            marker=look.marker,
            markersize=5,
            markevery=list(range(len(points))),
            linestyle=look.line if sized else "none",
            label=str(series),
            zorder=3,
        )
        panel.errorbar(
            points["size"].to_numpy(),
            points["score"].to_numpy(),
            yerr=style.bars(points, "score"),
            fmt="none",
            ecolor=look.colour,
            elinewidth=0.9,
        )
    size = rows["size"].to_numpy()
    if size.max() > 20 * max(size.min(), 1):
        panel.set_xscale("log")
    from matplotlib.ticker import EngFormatter

    panel.xaxis.set_major_formatter(EngFormatter(sep=""))
    style.in_percent(panel.yaxis)
    panel.set_ylim(bottom=0)


def plot(*, accuracy: Path, subsets: Path, out: Path) -> None:
    """Plot accuracy against the size of the training set, for every way of pruning.

    Args:
        accuracy: CSV of the table of accuracies.
        subsets: CSV of the table of subsets.
        out: Path of the figure without suffix.
    """
    known = read_training_sets(subsets)
    frame = accuracy_by_size(read_accuracy(accuracy), known, steered=True)
    style.save(draw(frame, style.palette(known)), frame, out)


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(accuracy="accuracy", subsets="subsets"),
    place=50,
    paper=("fig4",),
    caption=(
        "Accuracy (top-1, where no other metric is named) against the number of images in the "
        "training set (kept pool samples plus reference). Near-, far- and random-pruned curves end "
        "in the unpruned pool; near- and far-pruned ones are shown on the test sets that steered "
        "them. Other curves join diverse subsets of as many clusters. Single markers are the other "
        "training sets. n is the number of test images. Bars are 95 % percentile bootstrap "
        "intervals over test images; for several seeds, accuracy and bounds are averaged over "
        "seeds."
    ),
)
