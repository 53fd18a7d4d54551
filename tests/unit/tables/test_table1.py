"""Table 1 beside the published values."""

from pathlib import Path

import polars as pl
import pytest
from made_results import SUBSETS, evaluation_files

from gapmatch.results.evaluations import read_evaluations
from gapmatch.results.summaries import read_subsets
from gapmatch.running.errors import InputError
from gapmatch.tables import accuracy
from gapmatch.tables.subsets import subset_table, training_sets
from gapmatch.tables.table1 import headline_table, read_published, shown


def test_table1_shows_published_values_where_there_are_any(results: Path, tmp_path: Path) -> None:
    subsets = read_subsets([results / f"subsets/{name}/summary.json" for name in SUBSETS])
    sets = training_sets(subset_table(subsets, {}, 70, {}))
    means = accuracy.accuracy_table(read_evaluations(evaluation_files(results)))
    path = tmp_path / "published.csv"
    path.write_text("training_set,test_set,top1,source\nbaseline,sketch,0.5021,A paper\n")
    table = headline_table(means, sets, read_published(path))
    assert table.height == len(SUBSETS) * 3
    known = table.filter(pl.col("published").is_not_null())
    assert known.select("training_set", "test_set", "published", "source").rows() == [
        ("baseline", "sketch", 0.5021, "A paper")
    ]
    texts = shown(table)
    assert texts["size"][0] == f"{subsets[0].kept + 70:,}"
    assert texts["sketch, published"].to_list() == ["50.21", *[""] * (len(SUBSETS) - 1)]
    assert not [name for name in texts.columns if "published" in name and "sketch" not in name]
    path.write_text("training_set,test_set,top1,source\nbaseline,sketch,50.21,A paper\n")
    with pytest.raises(InputError, match="fractions between 0 and 1"):
        read_published(path)
    path.write_text("training_set,top1\nbaseline,0.5\n")
    with pytest.raises(InputError, match="expected a CSV with the columns training_set"):
        read_published(path)
