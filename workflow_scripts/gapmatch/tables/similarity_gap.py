"""Histograms of nearest-neighbour similarity before any pruning: the similarity gap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gapmatch.results.shown import Needs, Table
from gapmatch.results.summaries import read_nearest
from gapmatch.running.atomic import write_text

if TYPE_CHECKING:
    from gapmatch.config.results import Results

BINS = 30
HISTOGRAM = {
    "bin_low": pl.Float64,
    "bin_high": pl.Float64,
    "count": pl.Int64,
    "fraction": pl.Float64,
    "median": pl.Float64,
}
"""Columns of every histogram."""
SCHEMA = {"test_set": pl.String, "curve": pl.String, **HISTOGRAM, "nearer": pl.Float64}


def bin_edges(frames: Sequence[pl.DataFrame]) -> NDArray[np.float64]:
    """Edges of ``BINS`` equal bins that hold every similarity of every frame; (BINS + 1,)."""
    values = pl.concat(
        [pl.concat([frame["reference_similarity"], frame["pool_similarity"]]) for frame in frames]
    ).drop_nulls()
    if values.is_empty():
        return np.linspace(0.0, 1.0, BINS + 1)
    low, high = float(values.to_numpy().min()), float(values.to_numpy().max())
    return np.linspace(low, max(high, low + 1e-3), BINS + 1)


def histogram(values: pl.Series, edges: NDArray[np.float64], **keys: str | bool) -> pl.DataFrame:
    """Histogram of one curve as rows bin_low, bin_high, count and fraction of the images."""
    known = values.drop_nulls().to_numpy()
    count = np.histogram(known, bins=edges)[0]
    return pl.DataFrame(
        {"bin_low": edges[:-1], "bin_high": edges[1:], "count": count.astype(np.int64)}
    ).select(
        *[pl.lit(value).alias(key) for key, value in keys.items()],
        pl.all(),
        (pl.col("count") / max(len(values), 1)).alias("fraction"),
        pl.lit(float(np.median(known)) if known.size else None, pl.Float64).alias("median"),
    )


def similarity_gap(nearest: pl.DataFrame) -> pl.DataFrame:
    """Histograms of pool and reference similarity for each test set, before any pruning.

    Args:
        nearest: nearest.parquet of the baseline.

    Returns:
        ``SCHEMA``; nearer is the share of the test images whose nearest neighbour in the pool is
        nearer than that in the reference.
    """
    edges = bin_edges([nearest])
    parts = []
    for (test_set,), rows in nearest.group_by("test_set", maintain_order=True):
        pool, reference = rows["pool_similarity"], rows["reference_similarity"]
        nearer = float((pool > reference).fill_null(False).to_numpy().mean())
        for curve, values in (("pool before", pool), ("reference", reference)):
            part = histogram(values, edges, test_set=str(test_set), curve=curve)
            parts.append(part.with_columns(pl.lit(nearer).alias("nearer")))
    return pl.concat(parts)


def tabulate(*, nearest: Path, out: Path) -> None:
    """Count the nearest-neighbour similarities of pool and reference, before any pruning.

    Args:
        nearest: nearest.parquet of the subset that keeps the whole pool.
        out: Path of the table without suffix.
    """
    table = similarity_gap(read_nearest(nearest))
    write_text(out.with_name(f"{out.name}.csv"), table.write_csv())


def needs(results: Results, _: str) -> Needs:
    """Return the nearest similarities before any pruning."""
    nearest = results.nearest(results.baseline)
    return Needs([nearest], {"nearest": nearest})


TABLE = Table(make=tabulate, needs=needs, suffixes=("csv",))
