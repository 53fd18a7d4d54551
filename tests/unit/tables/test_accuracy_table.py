"""The accuracy table against its predictions."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_results import SUBSETS, TESTS, evaluation_files
from markdown_tables import markdown_table

from gapmatch.results import table_files as tables
from gapmatch.results.evaluations import read_evaluations
from gapmatch.running.errors import InputError
from gapmatch.tables import accuracy


def test_accuracy_table_is_what_the_predictions_say(results: Path) -> None:
    table = accuracy.accuracy_table(read_evaluations(evaluation_files(results)))
    assert table.columns == list(accuracy.COLUMNS)
    assert table["training_set"].unique(maintain_order=True).to_list() == list(SUBSETS)
    for row in table.iter_rows(named=True):
        path = f"evaluations/{row['training_set']}/seed{row['seed']}/{row['test_set']}.parquet"
        correct = pl.read_parquet(results / path)["correct_top1"].to_numpy()
        assert row["n"] == len(correct) == TESTS[row["test_set"]]
        assert row["score"] == row["top1"] == correct.mean()
        half = 1.96 * np.sqrt(row["top1"] * (1 - row["top1"]) / row["n"])
        assert row["top1_high"] - row["top1_low"] == pytest.approx(2 * half, abs=1.6 / row["n"])
    seeds = table.filter(pl.col("training_set") == "baseline", pl.col("test_set") == "val")
    assert seeds["seed"].to_list() == [0, 1]


def test_chance_is_that_of_the_most_frequent_class(results: Path) -> None:
    table = accuracy.accuracy_table(read_evaluations(evaluation_files(results)))
    row = table.filter(pl.col("test_set") == "val").row(0, named=True)
    labels = pl.read_parquet(results / "evaluations/baseline/seed0/val.parquet")["label"].to_list()
    assert row["chance"] == max(labels.count(label) for label in labels) / len(labels)
    shown = accuracy.accuracy_matrix(table)
    assert shown.row(-1)[:2] == ("(chance)", f"{100 * row['chance']:.1f}")
    near = accuracy.near_chance(table.with_columns(chance=pl.col("score") * 2))
    assert list(near) == list(TESTS)
    assert near["val"] == list(SUBSETS)
    assert accuracy.near_chance(table.with_columns(chance=pl.lit(-0.1))) == {}


def test_accuracy_survives_its_csv_and_is_averaged_over_seeds(
    results: Path, tmp_path: Path
) -> None:
    table = accuracy.accuracy_table(read_evaluations(evaluation_files(results)))
    tables.write_table(table, tmp_path / "a", "c", shown=accuracy.accuracy_matrix(table))
    again = accuracy.read_accuracy(tmp_path / "a.csv")
    assert again.equals(table)
    mean = accuracy.over_seeds(again).row(0, named=True)
    seeds = table.filter(
        pl.col("training_set") == "baseline", pl.col("test_set") == mean["test_set"]
    )
    assert mean["seeds"] == 2
    assert mean["score"] == pytest.approx(np.mean(seeds["top1"].to_list()))
    assert mean["spread"] == pytest.approx(np.std(seeds["top1"].to_list(), ddof=1))
    heads, rows = markdown_table(tmp_path / "a.md")
    assert heads[1] == f"{mean['test_set']} (n = {mean['n']})"
    assert rows[0][0] == "baseline"
    assert rows[0][1] == accuracy.with_interval(
        mean["score"], mean["score_low"], mean["score_high"], mean["spread"]
    )


def test_sets_are_selected_in_order_or_refused(results: Path) -> None:
    table = accuracy.accuracy_table(read_evaluations(evaluation_files(results)))
    chosen = accuracy.select_sets(table, ["random_50", "baseline"])
    assert chosen["training_set"].unique(maintain_order=True).to_list() == ["random_50", "baseline"]
    with pytest.raises(InputError, match="nowhere"):
        accuracy.select_sets(table, ["nowhere"])


def test_an_accuracy_that_its_predictions_contradict_is_refused(
    results: Path, tmp_path: Path
) -> None:
    source = results / "evaluations/baseline/seed0/val"
    value = json.loads(source.with_suffix(".json").read_text())
    value["top1"] += 0.05
    (tmp_path / "val.json").write_text(json.dumps(value))
    (tmp_path / "val.parquet").write_bytes(source.with_suffix(".parquet").read_bytes())
    with pytest.raises(InputError, match=r"val\.json"):
        read_evaluations([tmp_path / "val.json"])
    with pytest.raises(InputError, match="second evaluation"):
        read_evaluations([source.with_suffix(".json")] * 2)
