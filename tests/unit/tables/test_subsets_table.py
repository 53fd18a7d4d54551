"""The table of subsets: counts, and training sets read back."""

from pathlib import Path

import polars as pl
from made_results import SUBSETS

from gapmatch.results import table_files as tables
from gapmatch.results.summaries import (
    read_certificates,
    read_subsets,
)
from gapmatch.tables.subsets import read_training_sets, subset_table, training_sets


def test_subset_table_counts(results: Path) -> None:
    subsets = read_subsets([results / f"subsets/{name}/summary.json" for name in SUBSETS])
    certificates = read_certificates(sorted(results.glob("subsets/*/certificate.json")))
    table = subset_table(subsets, certificates, 70, {"random_50": 0.3, "random_25": 0.0})
    assert table["subset"].to_list() == list(SUBSETS)
    assert (table["kept"] + table["pruned"] == table["pool"]).all()
    assert (table["training_set_size"] == table["kept"] + table["reference"]).all()
    reference = dict(table.select("subset", "reference").iter_rows())
    assert (reference.pop("random_50"), reference.pop("random_25")) == (21, 0)
    assert set(reference.values()) == {70}
    matched = table.filter(pl.col("method") == "gap_match")
    assert matched["violations"].to_list() == [0, 0]
    assert table.filter(pl.col("method") != "gap_match")["violations"].is_null().all()


def test_training_sets_are_read_as_they_were_written(results: Path, tmp_path: Path) -> None:
    subsets = read_subsets([results / f"subsets/{name}/summary.json" for name in SUBSETS])
    table = subset_table(subsets, {}, 70, {})
    tables.write_table(table, tmp_path / "subsets", "c")
    assert read_training_sets(tmp_path / "subsets.csv") == training_sets(table)
    assert [one.test_sets for one in training_sets(table)] == [one.test_sets for one in subsets]
