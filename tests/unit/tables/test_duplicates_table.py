"""Test images that the pool or the reference holds, against a plain count."""

from pathlib import Path

import polars as pl
import pytest

from gapmatch.results.summaries import (
    read_nearest,
)
from gapmatch.tables.duplicates import count_test_duplicates


def test_duplicates_are_counted_above_the_threshold(results: Path) -> None:
    nearest = read_nearest(results / "subsets/baseline/nearest.parquet")
    table = count_test_duplicates(nearest, 0.9)
    for row in table.iter_rows(named=True):
        images = nearest.filter(pl.col("test_set") == row["test_set"])
        assert row["n"] == images.height
        for side in ("pool", "reference"):
            share = (images[f"{side}_similarity"].to_numpy() > 0.9).mean()
            assert row[side] == pytest.approx(share)
            assert row[f"{side}_low"] <= share <= row[f"{side}_high"]
    assert table["pool"].max() > 0
    nothing = nearest.with_columns(pool_similarity=pl.lit(None, pl.Float64))
    assert count_test_duplicates(nothing, 0.9)["pool"].to_list() == [0.0] * len(table)
