"""Accuracy by size: sizes and series."""

import polars as pl
from made_results import TESTS

from gapmatch.drawing import style
from gapmatch.figures import (
    accuracy_by_size,
)
from gapmatch.tables.subsets import TrainingSet


def test_sizes_are_kept_samples_and_the_reference(
    accuracy: pl.DataFrame, sets: list[TrainingSet]
) -> None:
    frame = accuracy_by_size.accuracy_by_size(accuracy, sets, steered=True)
    sizes = dict(frame.select("training_set", "size").iter_rows())
    assert sizes == {one.subset: one.kept + 70 for one in sets}
    assert "near-pruned (sketch)" in frame["series"].to_list()
    figure = accuracy_by_size.draw(frame, style.palette(sets))
    curves = {
        panel.get_title().partition(" ")[0]: [
            line for line in panel.get_lines() if line.get_linestyle() != "None"
        ]
        for panel in figure.axes
        if panel.get_visible()
    }
    # near, far, random on what steered them, each ending in the whole pool
    assert {name: len(lines) for name, lines in curves.items()} == {
        "val": 1, "sketch": 3, "rendition": 1,
    }  # fmt: skip
    assert {max(curve.get_xdata()) for curve in curves["sketch"]} == {sizes["baseline"]}


def test_steered_sets_are_shown_once_on_each_test_set(
    accuracy: pl.DataFrame, sets: list[TrainingSet]
) -> None:
    own, other = (accuracy_by_size.accuracy_by_size(accuracy, sets, one) for one in (True, False))
    keys = ["training_set", "test_set"]
    near = pl.col("training_set") == "near_sketch_50"
    assert own.filter(near)["test_set"].to_list() == ["sketch"]
    assert set(other.filter(near)["test_set"]) == set(TESTS) - {"sketch"}
    both = pl.concat([own, other]).unique(keys)
    assert both.height == len(sets) * len(TESTS)
    for name in ("random_50", "sketch_pruned"):
        alike = pl.col("training_set") == name
        assert own.filter(alike).equals(other.filter(alike))
