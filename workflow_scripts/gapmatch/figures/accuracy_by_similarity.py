"""Accuracy as a function of how similar the pool's nearest image is to the test image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.results.table_files import read_csv
from gapmatch.tables.accuracy_by_similarity import SCHEMA
from gapmatch.tables.subsets import TrainingSet, read_training_sets

if TYPE_CHECKING:
    from matplotlib.figure import Figure


MOST_BANDS = 4


@style.styled
def draw(frame: pl.DataFrame, subsets: Sequence[TrainingSet]) -> Figure:
    """One panel per test set; its title gives the correlations of the training sets.

    Args:
        frame: ``SCHEMA``.
        subsets: The table of subsets.
    """
    looks = style.palette(subsets)
    tests = frame["test_set"].unique(maintain_order=True).to_list()
    figure, axes = style.panels(len(tests), sharey=True)
    for panel, test_set in zip(axes, tests, strict=True):
        correlations = []
        rows = frame.filter(pl.col("test_set") == test_set)
        banded = _banded(rows["training_set"].unique(maintain_order=True), subsets, test_set)
        for (name,), bins in rows.group_by("training_set", maintain_order=True):
            look, band = style.look_of(looks, str(name)), name in banded
            accuracy = bins["accuracy"].to_numpy()
            similarity = bins["mean_similarity"].to_numpy()
            low, high = bins["accuracy_low"].to_numpy(), bins["accuracy_high"].to_numpy()
            if band:
                panel.fill_between(
                    similarity, low, high, color=look.colour, alpha=0.15, linewidth=0
                )
            panel.plot(
                similarity,
                accuracy,
                color=look.colour,
                marker=look.marker,
                markersize=4.5 if band else 3,
                linewidth=1.4 if band else 0.7,
                label=str(name),
            )
            correlations += bins["pearson"].head(1).drop_nulls().drop_nans().to_list()
        sizes = rows.filter(pl.col("training_set") == rows["training_set"][0])["n"]
        fewest, most = min(sizes.to_list()), max(sizes.to_list())
        each = f"{fewest}" if fewest == most else f"{fewest}\N{EN DASH}{most}"
        panel.set_title(
            f"{test_set} (n = {each} per bin)\nr = {_correlations(correlations)}", fontsize=8.5
        )
        style.in_percent(panel.yaxis)
        panel.set_ylim(-0.02, 1.02)
    style.label_axes(axes, "similarity of the nearest pool image", "top-1 accuracy")
    style.legend_below(figure, axes)
    return figure


def _banded(names: Iterable[str], subsets: Sequence[TrainingSet], test_set: str) -> set[str]:
    """Return the training sets whose bands are drawn: more than a few hide each other.

    That is all of a few, else the whole pool and the first that is matched to the test set alone.
    """
    present = list(names)
    if len(present) <= MOST_BANDS:
        return set(present)
    shown = [one for one in subsets if one.subset in present]
    matched = [one for one in shown if one.method == "gap_match" and one.test_sets == (test_set,)]
    return {one.subset for one in [*(one for one in shown if one.method == "all"), *matched[:1]]}


def _correlations(values: Sequence[float]) -> str:
    """Each value where they fit into a title, else their range; none where r is undefined."""
    if not values:
        return "none"
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
    style.save(draw(frame, read_training_sets(subsets)), frame, out)


FIGURE = shown.Figure(
    make=plot,
    needs=shown.from_tables(table="accuracy_by_similarity", subsets="subsets"),
    place=40,
    paper=("fig3",),
    caption=(
        "Top-1 accuracy as a function of the cosine similarity between a test image and its "
        "nearest neighbour in the pool before pruning. Each point is a bin of about equally many "
        "test images (n per bin above the panel), placed at its mean similarity. Bands are 95 % "
        "percentile bootstrap intervals over the test images of the bin; for several seeds, "
        "accuracy and bounds are averaged over seeds. With more than four training sets, only "
        "the unpruned pool and the first that is matched to this test set alone have bands; the "
        "CSV has all intervals. r is the Pearson correlation of similarity "
        "and correctness over the images of the test set: one value per training set in the order "
        "of the legend, or of more than three the least and the largest (the CSV has all)."
    ),
)
