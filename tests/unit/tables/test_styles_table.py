"""The table of styles: precision and recall as counted by hand."""

import json
from pathlib import Path

import polars as pl
import pytest

from gapmatch.results.statistics import bootstrap_interval
from gapmatch.tables.styles import HELD_OUT, POOL, TABLE, style_rows, tabulate

CONFUSION = [
    {"style": "line", "assigned": "line", "n": 8},
    {"style": "line", "assigned": "photo", "n": 1},
    {"style": "line", "assigned": None, "n": 1},
    {"style": "photo", "assigned": "photo", "n": 6},
]


def written(folder: Path, told: list[str | None], assigned: list[str | None]) -> pl.DataFrame:
    (folder / "learned.json").write_text(
        json.dumps({"styles": ["line", "photo"], "confusion": CONFUSION})
    )
    text = pl.String
    pl.DataFrame({"style": pl.Series(assigned, dtype=text)}).write_parquet(folder / "s.parquet")
    pl.DataFrame({"style": pl.Series(told, dtype=text)}).write_parquet(folder / "m.parquet")
    tabulate(
        learned=folder / "learned.json",
        styles=[folder / "s.parquet"],
        metadata=[folder / "m.parquet"],
        out=folder / "styles",
    )
    return pl.read_csv(folder / "styles.csv")


def test_rates_are_those_of_the_counts(tmp_path: Path) -> None:
    table = written(
        tmp_path, ["line", "line", "photo", "oil", None], ["line", "photo", "photo", "line", "line"]
    )
    line, photo = table.filter(images=HELD_OUT).iter_rows(named=True)
    assert (line["n"], line["assigned"], line["right"]) == (10, 8, 8)
    assert (line["precision"], line["recall"]) == (1, 0.8)
    assert (photo["precision"], photo["recall"]) == (pytest.approx(6 / 7), 1)
    low, high = bootstrap_interval(pl.Series([True] * 8 + [False] * 2).to_numpy())
    assert (line["recall_low"], line["recall_high"]) == (low, high)
    line, photo = table.filter(images=POOL).iter_rows(named=True)
    assert (line["n"], line["assigned"], line["right"]) == (2, 3, 1)
    # An oil painting was called a line; what tells no style counts neither way.
    assert line["precision"] == 0.5
    assert (photo["n"], photo["precision"], photo["recall"]) == (1, 0.5, 1)
    text = (tmp_path / "styles.md").read_text(encoding="utf-8")
    assert "80.0 (50.0\N{EN DASH}100.0)" in text
    assert TABLE.early


def test_a_pool_that_tells_no_style_has_no_rates(tmp_path: Path) -> None:
    table = written(tmp_path, [None, None, None], ["line", "line", None]).filter(images=POOL)
    assert table["assigned"].to_list() == [2, 0]
    assert table.select("n", "right", "precision", "recall").null_count().row(0) == (2, 2, 2, 2)


def test_a_style_that_is_never_assigned_has_no_precision() -> None:
    row = style_rows(HELD_OUT, {("line", None): 3}, ["line"]).row(0, named=True)
    assert (row["n"], row["assigned"], row["precision"], row["recall"]) == (3, 0, None, 0)
