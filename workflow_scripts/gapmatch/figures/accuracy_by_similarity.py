"""Accuracy as a function of how similar the pool's nearest image is to the test image."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from gapmatch.figures import style
from gapmatch.running.errors import InputError
from gapmatch.tables.statistics import AccuracyBin, binned_accuracy, mean_correlation, spearman
from gapmatch.tables.summaries import Evaluation

FEWEST = 20  # images in a bin: an interval of fewer says nothing
SCHEMA = {
    "test_set": pl.String,
    "training_set": pl.String,
    "seeds": pl.Int64,
    "pearson": pl.Float64,
    "spearman": pl.Float64,
    **{field: pl.Int64 if field == "n" else pl.Float64 for field in AccuracyBin._fields},
}


def accuracy_by_similarity(
    evaluations: Sequence[Evaluation], nearest: pl.DataFrame, bins: int
) -> pl.DataFrame:
    """Binned accuracy of each training set on each test set, averaged over its seeds.

    Args:
        evaluations: All models to show; seeds of one training set are taken together.
        nearest: nearest.parquet of the baseline: similarity to the unpruned pool.
        bins: Number of bins, which hold equally many images; fewer where a bin would hold less
            than ``FEWEST`` images.

    Returns:
        One row per test set, training set and bin: ``SCHEMA``. Correlations are over the images
        of the test set (the same value in each of its bins).

    Raises:
        InputError: A test image was evaluated that ``nearest`` does not have.
    """
    groups: dict[tuple[str, str], list[Evaluation]] = {}
    for evaluation in evaluations:
        groups.setdefault((evaluation.test_set, evaluation.training_set), []).append(evaluation)
    rows = []
    for (test_set, training_set), seeds in groups.items():
        similarity, correct = _aligned(seeds, nearest.filter(pl.col("test_set") == test_set))
        keys = {
            "test_set": test_set,
            "training_set": training_set,
            "seeds": len(seeds),
            "pearson": mean_correlation(similarity, correct),
            "spearman": spearman(similarity, correct.mean(axis=1)),
        }
        fitting = max(min(bins, similarity.size // FEWEST), 2)
        for one in binned_accuracy(similarity, correct, fitting):
            rows.append({**keys, **one._asdict()})
    return pl.DataFrame(rows, schema=SCHEMA)


def _aligned(
    seeds: Sequence[Evaluation], nearest: pl.DataFrame
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Similarity (images,) and correctness (images, seeds) of the same images in one order."""
    table = nearest.select("test_row", "pool_similarity").drop_nulls().sort("test_row")
    for index, evaluation in enumerate(seeds):
        column = evaluation.images.select("test_row", pl.col("correct_top1").alias(str(index)))
        joined = table.join(column, on="test_row", how="inner", maintain_order="left")
        if joined.height != table.height or joined.height != column.height:
            raise InputError(
                f"evaluation of {evaluation.training_set}, seed {evaluation.seed}, on "
                f"{evaluation.test_set} has {column.height} images and the similarities "
                f"{table.height}, {joined.height} in common: they come from different runs"
            )
        table = joined
    similarity = table["pool_similarity"].to_numpy().astype(np.float64)
    correct = table.drop("test_row", "pool_similarity").to_numpy().astype(np.bool_)
    return similarity, correct


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
        panel.yaxis.set_major_formatter(PercentFormatter(1.0))
        panel.set_ylim(-0.02, 1.02)
    style.label_axes(axes, "similarity of the nearest pool image", "top-1 accuracy")
    style.legend_below(figure, axes)
    return figure


def _correlations(values: Sequence[float]) -> str:
    """Each value where they fit into a title, else their range."""
    shown, between = (values, ", ") if len(values) < 4 else ((min(values), max(values)), " to ")
    return between.join(f"{value:+.2f}" for value in shown).replace("-", "\N{MINUS SIGN}")
