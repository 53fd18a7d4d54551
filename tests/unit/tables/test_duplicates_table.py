"""Test images that the pool or the reference holds, against a plain count."""

from pathlib import Path

import polars as pl
import pytest

from gapmatch.results.summaries import (
    read_nearest,
)
from gapmatch.tables.duplicates import count_shared_classes, count_test_duplicates, shown


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


def test_classes_are_shared_by_name() -> None:
    classes = {
        "val": ["Hen", "tabby_cat", "tench"],
        "satellite": ["annual crop land"],
        "flickr": [],
    }
    table = count_shared_classes(classes, ["hen", "tabby cat", "goldfish"])
    assert table.rows() == [("val", 3, 2), ("satellite", 1, 0), ("flickr", None, None)]


def test_people_see_shares_with_intervals_and_classes(results: Path) -> None:
    nearest = read_nearest(results / "subsets/baseline/nearest.parquet")
    counts = count_test_duplicates(nearest, 0.9)
    classes = {"val": ["a"], "sketch": []}
    table = counts.join(count_shared_classes(classes, ["a"]), on="test_set", how="left")
    [row] = [row for row in shown(table).iter_rows(named=True) if row["test set"] == "val"]
    assert row["classes that the reference has"] == "1 of 1"
    share = 100 * counts.filter(test_set="val")["pool"][0]
    assert row["near duplicate in the pool (%)"].startswith(f"{share:.1f} (")
