"""The class of the nearest reference image, against a plain count."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_results import CLASSES, TESTS
from programs import run_here

from gapmatch.data.chunks import Chunk
from gapmatch.running.errors import InputError
from gapmatch.tables.embedders import (
    nearest_labels,
    read_embedder_table,
    row_of,
    same_classes,
)


def metadata(results: Path, dataset: str) -> list[str]:
    path = results / f"embeddings/e/{dataset}/metadata/metadata_00000.parquet"
    return list(pl.read_parquet(path)["class_name"])


def test_right_classes_are_counted(results: Path, tmp_path: Path) -> None:
    run_here(
        "table",
        *("embedders", "--searched", *(word for name in TESTS for word in ("e", name))),
        *("--data", results / "data"),
        *("--embeddings", results / "embeddings", "--similarity", results / "similarity"),
        *("--reference-chunks", "00000", "--out", tmp_path / "embedders"),
    )
    table = read_embedder_table(tmp_path / "embedders.csv")
    assert table["test_set"].to_list() == list(TESTS)
    reference = metadata(results, "reference")
    for row in table.iter_rows(named=True):
        tests = metadata(results, row["test_set"])
        found = pl.read_parquet(
            results / f"similarity/e/{row['test_set']}/reference_neighbours.parquet"
        ).filter(pl.col("rank") == 1)
        right = [tests[t] == reference[r] for t, r in found.select("test_row", "row").iter_rows()]
        assert (row["n"], row["images"]) == (len(tests), len(tests))
        assert row["right_class"] == np.mean(right)
        assert row["right_class_low"] <= row["right_class"] <= row["right_class_high"]
        assert row["chance"] == max(tests.count(name) for name in tests) / len(tests)
    assert "right class (%)" in (tmp_path / "embedders.md").read_text(encoding="utf-8")


def chunk(classes: tuple[str, ...], indices: tuple[tuple[int, ...], ...] = ()) -> Chunk:
    return Chunk("a", "00000", (), 0, classes, indices)


def test_classes_are_the_same_by_name_or_by_imagenets_number() -> None:
    one, other = chunk(CLASSES[:2]), chunk(CLASSES[1:4])
    assert same_classes(one, other) == [set(), {0}]
    clock = chunk(("Alarm clock", "basket"), ((409, 530), (7,)))
    imagenet = chunk(("analog clock", "digital clock"), ((409,), (530,)))
    assert same_classes(clock, imagenet) == [{0, 1}, set()]
    with pytest.raises(InputError, match="names no classes"):
        same_classes(one, chunk(()))


def test_images_of_classes_that_the_reference_lacks_do_not_count() -> None:
    same = [frozenset({0}), frozenset[int]()]
    labels = pl.Series([0, 0, 1, 1])
    nearest = pl.Series([0, 1, 0, 1])
    row = row_of("e", "t", labels, pl.Series([0, 1, 1, 1]), nearest, same)
    assert (row["n"], row["images"], row["right_class"], row["chance"]) == (2, 4, 0.5, 1.0)
    none = row_of("e", "t", labels, pl.Series([1]), nearest, same)
    assert (none["n"], none["right_class"], none["chance"]) == (0, None, None)


def test_neighbours_of_another_reference_are_refused() -> None:
    neighbours = pl.DataFrame({"test_row": [0], "rank": [1], "chunk": ["00000"], "row": [7]})
    reference = pl.DataFrame({"chunk": ["00000"], "row": [0], "label": [0]})
    with pytest.raises(InputError, match="search it again"):
        nearest_labels(neighbours, reference)
