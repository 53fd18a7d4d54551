"""What pruning towards images of retrieval costs retrieval, and what it costs classification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.results.table_files import read_csv
from gapmatch.tables.accuracy import described
from gapmatch.tables.retrieval_cost import CLASSIFICATION, RETRIEVAL, SCHEMA, TABLE
from gapmatch.tables.subsets import read_training_sets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


ROW = 0.17
"""Inches of a subset at a score."""


@style.styled
def draw(frame: pl.DataFrame, looks: Mapping[str, style.Look]) -> Figure:
    """A panel for each task: scores from top to bottom, a marker with its interval per subset."""
    tasks = [task for task in (RETRIEVAL, CLASSIFICATION) if task in frame["task"].to_list()]
    scores = frame.unique(("task", "test_set", "metric"), maintain_order=True)
    heights = [scores.filter(task=task).height for task in tasks]
    subsets = frame["training_set"].unique(maintain_order=True).to_list()
    height = ROW * (len(subsets) + 1) * sum(heights) + 0.5 * len(tasks) + 0.4
    figure = style.canvas(6.2, height, layout="constrained")
    axes = figure.subplots(len(tasks), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    for panel, task in zip(axes, tasks, strict=True):
        _draw_task(panel, frame.filter(task=task), subsets, looks)
        panel.set_title(task, loc="left")
    axes[-1].set_xlabel("difference from the baseline, points")
    style.legend_below(figure, list(axes))
    return figure


def _draw_task(
    panel: Axes, rows: pl.DataFrame, subsets: list[str], looks: Mapping[str, style.Look]
) -> None:
    scores = list(rows.select("test_set", "n", "metric").unique(maintain_order=True).iter_rows())
    panel.axvline(0, color="#999999", linewidth=1)
    for place, subset in enumerate(subsets):
        look = style.look_of(dict(looks), subset)
        offset = (place - (len(subsets) - 1) / 2) / (len(subsets) + 1)
        for at_chance in (False, True):
            own = rows.filter(training_set=subset, at_chance=at_chance)
            keys = own.select("test_set", "n", "metric").iter_rows()
            at = np.array([scores.index(score) for score in keys], dtype=np.float64)
            middle = 100 * own["difference"].to_numpy()
            bounds = [middle - 100 * own["low"].to_numpy(), 100 * own["high"].to_numpy() - middle]
            panel.errorbar(
                middle,
                at + offset,
                xerr=np.maximum(bounds, 0),
                color=look.colour,
                marker=look.marker,
                markerfacecolor="none" if at_chance else look.colour,
                markersize=4.5,
                linestyle="none",
                elinewidth=0.9,
                label=None if at_chance else subset,
            )
    panel.set_yticks(range(len(scores)), [described(*score) for score in scores])
    panel.set_ylim(len(scores) - 0.5, -0.5)
    panel.grid(visible=False, axis="y")


def plot(*, table: Path, subsets: Path, out: Path) -> None:
    """Plot what pruning towards images of retrieval costs retrieval and classification.

    Args:
        table: CSV of the table retrieval_cost.
        subsets: CSV of the table of subsets.
        out: Path of the figure without suffix.
    """
    frame = read_csv(table, SCHEMA)
    style.save(draw(frame, style.palette(read_training_sets(subsets))), frame, out)


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(table="retrieval_cost", subsets="subsets"),
    items=TABLE.items,
    place=65,
    caption=(
        "What pruning for test sets with captions costs retrieval and classification. Each marker "
        "is a subset's difference from the baseline in points; below zero is worse. Retrieval is "
        "recall at 1, classification top-1 accuracy where no other metric is named. Hollow "
        "markers: neither it nor the baseline is better than chance. Shown are the subsets that "
        "only test sets with captions steer, and random subsets of the same size. n is the number "
        "of test images. Bars are 95 % intervals of a paired bootstrap over images and seeds."
    ),
)
