"""Accuracy as a function of how similar the pool's nearest image is to the test image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gapmatch.results.evaluations import Evaluation, evaluations_of
from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import AccuracyBin, binned_accuracy, mean_correlation, spearman
from gapmatch.results.summaries import read_nearest
from gapmatch.running.atomic import write_text
from gapmatch.running.errors import InputError

if TYPE_CHECKING:
    from gapmatch.config.results import Results

BINS = 8
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


def tabulate(
    *, evaluations: Path, models: list[str], test_sets: list[str], nearest: Path, out: Path
) -> None:
    """Bin the accuracy of each training set by the similarity of the nearest pool image.

    Args:
        evaluations: Folder with MODEL/TEST_SET.json and the parquet beside each.
        models: Folders below it, such as baseline/seed0, in the order of the table.
        test_sets: Their test sets, in the order of the table.
        nearest: nearest.parquet of the baseline: similarity to the pool before pruning.
        out: Path of the table without suffix.
    """
    evaluated = evaluations_of(evaluations, models, test_sets)
    table = accuracy_by_similarity(evaluated, read_nearest(nearest), BINS)
    write_text(out.with_name(f"{out.name}.csv"), table.write_csv())


def needs(results: Results, _: str) -> Needs:
    """Return the evaluations of the baseline and of the gap-matched subsets, and similarities."""
    models, nearest = results.models(results.shown_subsets()), results.nearest(results.baseline)
    return Needs(
        inputs=[*results.evaluated(models, results.classified), nearest],
        arguments={
            "evaluations": results.evaluations,
            "models": models,
            "test_sets": results.classified,
            "nearest": nearest,
        },
    )


TABLE = Table(make=tabulate, needs=needs, suffixes=("csv",))
