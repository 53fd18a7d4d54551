"""Test images that have a duplicate in the pool or in the reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import bootstrap_interval
from gapmatch.results.summaries import read_nearest
from gapmatch.results.table_files import write_table

if TYPE_CHECKING:
    from gapmatch.config.results import Results

SIDES = ("pool", "reference")
FRACTIONS = tuple(f"{side}{end}" for side in SIDES for end in ("", "_low", "_high"))


def count_test_duplicates(nearest: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Count, per test set, the images whose nearest neighbour is more similar than a threshold.

    Args:
        nearest: nearest.parquet of the subset that keeps the whole pool.
        threshold: Cosine similarity.

    Returns:
        test_set, n, threshold, then for pool and reference: the fraction of test images with a
        duplicate there and the bounds of its 95 % bootstrap interval over test images.
    """
    rows = []
    for (test_set,), images in nearest.group_by("test_set", maintain_order=True):
        row: dict[str, object] = {"test_set": test_set, "n": len(images), "threshold": threshold}
        for side in SIDES:
            duplicate = (images[f"{side}_similarity"] > threshold).fill_null(False).to_numpy()
            low, high = bootstrap_interval(duplicate)
            row |= {side: float(duplicate.mean()), f"{side}_low": low, f"{side}_high": high}
        rows.append(row)
    return pl.DataFrame(rows)


def tabulate(*, nearest: Path, threshold: float, out: Path) -> None:
    """Count the test images that have a duplicate in the pool or in the reference.

    Args:
        nearest: nearest.parquet of the whole pool.
        threshold: A more similar image is a duplicate.
        out: Path of the table without suffix.
    """
    table = count_test_duplicates(read_nearest(nearest), threshold)
    write_table(table, out, TABLE.caption, percent_columns=FRACTIONS)


def needs(results: Results, _: str) -> Needs:
    """Return the nearest similarities before any pruning."""
    nearest = results.nearest(results.baseline)
    threshold = results.study.figures.duplicate_similarity
    return Needs([nearest], {"nearest": nearest}, {"threshold": threshold})


TABLE = Table(
    make=tabulate,
    needs=needs,
    place=50,
    paper=("fig2",),
    caption=(
        "Test images that have a duplicate in the pool (after deduplication) or in the reference: "
        "the share whose nearest image there is more similar than the threshold, with the bounds "
        "of its 95 % percentile bootstrap interval over the n test images."
    ),
)
