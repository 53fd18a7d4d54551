"""Accuracy as a function of how similar the pool's nearest image is to the test image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.results.table_files import read_csv
from gapmatch.tables.accuracy_by_similarity import SCHEMA
from gapmatch.tables.subsets import read_training_sets

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@style.styled
def draw(frame: pl.DataFrame, looks: Mapping[str, style.Look]) -> Figure:
    """One panel per test set; its title gives the correlations of the training sets."""
    tests = frame["test_set"].unique(maintain_order=True).to_list()
    figure, axes = style.panels(len(tests), sharey=True)
    for panel, test_set in zip(axes, tests, strict=True):
        correlations = []
        rows = frame.filter(pl.col("test_set") == test_set)
        for (name,), bins in rows.group_by("training_set", maintain_order=True):
            look = style.look_of(dict(looks), str(name))
            accuracy = bins["accuracy"].to_numpy()
            similarity = bins["mean_similarity"].to_numpy()
            low, high = bins["accuracy_low"].to_numpy(), bins["accuracy_high"].to_numpy()
            panel.fill_between(similarity, low, high, color=look.colour, alpha=0.15, linewidth=0)
            panel.plot(
                similarity,
                accuracy,
                color=look.colour,
                marker=look.marker,
                markersize=4.5,
                label=str(name),
            )
            correlations.append(float(bins["pearson"][0]))
        sizes = rows.filter(pl.col("training_set") == rows["training_set"][0])["n"]
        fewest, most = min(sizes.to_list()), max(sizes.to_list())
        each = f"{fewest}" if fewest == most else f"{fewest}\N{EN DASH}{most}"
        panel.set_title(f"{test_set}  (r = {_correlations(correlations)})", fontsize=8.5)
        note = f"n = {each} per bin"
        panel.text(0.98, 0.02, note, transform=panel.transAxes, ha="right", color="#666666")
        style.in_percent(panel.yaxis)
        panel.set_ylim(-0.02, 1.02)
    style.label_axes(axes, "similarity of the nearest pool image", "top-1 accuracy")
    style.legend_below(figure, axes)
    return figure


def _correlations(values: Sequence[float]) -> str:
    """Each value where they fit into a title, else their range."""
    shown, between = (values, ", ") if len(values) < 4 else ((min(values), max(values)), " to ")
    return between.join(f"{value:+.2f}" for value in shown).replace("-", "\N{MINUS SIGN}")


def plot(*, table: Path, subsets: Path, out: Path) -> None:
    """Plot accuracy as a function of the similarity of the nearest pool image.

    Args:
        table: CSV of the table accuracy_by_similarity.
        subsets: CSV of the table of subsets.
        out: Path of the figure without suffix.
    """
    frame = read_csv(table, SCHEMA)
    style.save(draw(frame, style.palette(read_training_sets(subsets))), frame, out)


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(table="accuracy_by_similarity", subsets="subsets"),
    place=40,
    paper=("fig3",),
    caption=(
        "Top-1 accuracy as a function of the cosine similarity between a test image and its "
        "nearest neighbour in the pool before pruning. Each point is a bin of about equally many "
        "test images (n per bin in the panel), placed at its mean similarity. Bands are 95 % "
        "percentile bootstrap intervals over the test images of the bin; for several seeds, "
        "accuracy and bounds are averaged over seeds. r is the Pearson correlation of similarity "
        "and correctness over the images of the test set: one value per training set in the order "
        "of the legend, or of more than three the least and the largest (the CSV has all)."
    ),
)
