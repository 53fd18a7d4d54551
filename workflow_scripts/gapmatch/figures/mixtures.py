"""Accuracy over the mixture of two styles, for each test set."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.subset.methods.style import StyleSubset
from gapmatch.tables.accuracy import described, over_seeds, read_accuracy
from gapmatch.tables.subsets import TrainingSet, read_training_sets, with_common_reference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gapmatch.config.results import Results

SCHEMA = {
    "mixture": pl.String,
    "style": pl.String,
    "size": pl.Int64,
    "share": pl.Float64,
    "training_set": pl.String,
}


def mixtures(subsets: Sequence[TrainingSet]) -> pl.DataFrame:
    """Return the mixtures of two styles at one size, with the columns of ``SCHEMA``.

    share is that of the style that comes first by name.

    Args:
        subsets: The table of subsets.
    """
    styled = with_common_reference(one for one in subsets if one.method == "style")
    names = sorted({name for one in styled for name in one.settings["shares"]})
    rows = []
    for first, second in combinations(names, 2):
        for size in sorted({one.kept for one in styled}):
            points = [
                one
                for one in styled
                if one.kept == size and set(one.settings["shares"]) <= {first, second}
            ]
            if any(len(one.settings["shares"]) > 1 for one in points):
                rows += [
                    {
                        "mixture": f"{first} and {second}, {size:,} images",
                        "style": first,
                        "size": size,
                        "share": float(one.settings["shares"].get(first, 0)),
                        "training_set": one.subset,
                    }
                    for one in points
                ]
    return pl.DataFrame(rows, schema=SCHEMA).sort("mixture", "share", maintain_order=True)


@style.styled
def draw(frame: pl.DataFrame) -> Figure:
    """A panel for each mixture: a line for each test set."""
    groups = list(frame.group_by("mixture", maintain_order=True))
    if not groups:
        figure = style.grid(1, 1)[0]
        return style.say_nothing_to_draw(figure, "no mixtures of two styles at one size")
    figure, axes = style.panels(len(groups), columns=2)
    for panel, ((name,), rows) in zip(axes, groups, strict=True):
        _draw_panel(panel, rows)
        panel.set_title(str(name))
        panel.set_xlabel(f"share of {rows['style'][0]}")
    style.legend_below(figure, axes)
    return figure


def _draw_panel(panel: Axes, rows: pl.DataFrame) -> None:
    tests = list(rows.group_by("test_set", maintain_order=True))
    for place, ((test_set,), points) in enumerate(tests):
        means = points.group_by("share", maintain_order=True).agg(
            pl.col("score", "score_low", "score_high").mean()
        )
        panel.errorbar(
            means["share"].to_numpy() + 0.008 * (place - (len(tests) - 1) / 2),
            means["score"].to_numpy(),
            yerr=style.bars(means, "score"),
            color=style.GAP_MATCH_COLOURS[place % len(style.GAP_MATCH_COLOURS)],
            marker=style.GAP_MATCH_MARKERS[place % len(style.GAP_MATCH_MARKERS)],
            markersize=4.5,
            elinewidth=0.9,
            label=described(str(test_set), points["n"][0], points["metric"][0]),
        )
    for axis in (panel.xaxis, panel.yaxis):
        style.in_percent(axis)
    panel.set_ylabel("accuracy")
    panel.set_ylim(bottom=0)


def plot(*, accuracy: Path, subsets: Path, out: Path) -> None:
    """Plot accuracy over the mixture of two styles.

    Args:
        accuracy: CSV of the table of accuracies.
        subsets: CSV of the table of subsets.
        out: Path of the figure without suffix.
    """
    known = mixtures(read_training_sets(subsets))
    frame = known.join(
        over_seeds(read_accuracy(accuracy)), on="training_set", maintain_order="left_right"
    )
    style.save(draw(frame), frame, out)


def mixed(results: Results) -> bool:
    """Return whether a subset of a study mixes styles."""
    return any(
        isinstance(one, StyleSubset) and sum(share > 0 for share in one.shares.values()) > 1
        for one in results.study.subsets.values()
    )


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(accuracy="accuracy", subsets="subsets"),
    items=lambda results: [""] if mixed(results) else [],
    place=76,
    caption=(
        "Mixtures of two styles: accuracy (top-1, where no other metric is named) on each test set "
        "against the share of the style that the axis names; the other style makes up the rest. A "
        "panel is one pair of styles at one number of pool images. n is the number of test images. "
        "Bars are 95 % percentile bootstrap intervals over test images; for several seeds, "
        "accuracy and bounds are averaged over seeds. Styles are those that the classifier assigns "
        "(table styles); the reference is part of every training set."
    ),
)
