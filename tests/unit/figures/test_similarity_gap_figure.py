"""The similarity gap: every test image is counted."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from drawn import texts
from made_results import TESTS

from gapmatch.figures import (
    similarity_gap,
)
from gapmatch.results.summaries import (
    read_nearest,
)
from gapmatch.tables import similarity_gap as tables_gap


def test_similarity_gap_counts_every_test_image(results: Path) -> None:
    nearest = read_nearest(results / "subsets/baseline/nearest.parquet")
    frame = tables_gap.similarity_gap(nearest)
    for test, n in TESTS.items():
        rows = nearest.filter(pl.col("test_set") == test)
        drawn = frame.filter(pl.col("test_set") == test)
        for curve, column in (("pool before", "pool"), ("reference", "reference")):
            part = drawn.filter(pl.col("curve") == curve)
            values = rows[f"{column}_similarity"].to_numpy()
            edges = np.append(part["bin_low"].to_numpy(), part["bin_high"][-1])
            assert part["count"].to_list() == np.histogram(values, edges)[0].tolist()
            assert part["count"].sum() == n
            assert part["median"][0] == pytest.approx(np.median(values))
        nearer = (rows["pool_similarity"] > rows["reference_similarity"]).sum() / n
        assert drawn["nearer"].unique().to_list() == [pytest.approx(nearer)]
    assert "sketch (n = 80)\n" in texts(similarity_gap.draw(frame))
