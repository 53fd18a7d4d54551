"""Accuracy by size: sizes and series."""

from dataclasses import replace

import polars as pl
import pytest
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


def test_other_curves_do_not_end_in_the_pool_and_mixtures_have_none(
    accuracy: pl.DataFrame, sets: list[TrainingSet]
) -> None:
    template = next(one for one in sets if one.subset == "random_50")
    added = [
        replace(template, subset=f"d{kept}", method="diverse", kept=kept, settings={"clusters": 4})
        for kept in (100, 200)
    ] + [
        replace(template, subset=f"m{share}", method="style", settings={"shares": {"line": share}})
        for share in (0.2, 0.8)
    ]
    of_random = accuracy.filter(training_set="random_50")
    more = [of_random.with_columns(training_set=pl.lit(one.subset)) for one in added]
    frame = accuracy_by_size.accuracy_by_size(pl.concat([accuracy, *more]), [*sets, *added], True)
    assert {"diverse (4 clusters)", "style"} <= set(frame["series"])
    figure = accuracy_by_size.draw(frame, style.palette([*sets, *added]))
    panel = next(one for one in figure.axes if one.get_title().startswith("val"))
    lines = [line for line in panel.get_lines() if line.get_linestyle() != "None"]
    assert sorted(max(line.get_xdata()) for line in lines)[0] == 200 + template.reference
    assert len(lines) == 2, "random and diverse; the styles of one size are points"


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


def test_seeds_of_a_choice_are_one_point(accuracy: pl.DataFrame, sets: list[TrainingSet]) -> None:
    template = next(one for one in sets if one.subset == "random_50")
    added = [
        replace(template, subset=f"d{kept}_{seed}", method="diverse", kept=kept,
                settings={"clusters": 4})
        for kept in (100, 200) for seed in (0, 1)
    ]  # fmt: skip
    of_random = accuracy.filter(training_set="random_50")
    scores = {"d100_0": 0.1, "d100_1": 0.3, "d200_0": 0.4, "d200_1": 0.6}
    more = [
        of_random.with_columns(training_set=pl.lit(name), score=pl.lit(score))
        for name, score in scores.items()
    ]
    frame = accuracy_by_size.accuracy_by_size(pl.concat([accuracy, *more]), [*sets, *added], True)
    diverse = frame.filter(test_set="val", series="diverse (4 clusters)").sort("size")
    assert diverse["score"].to_list() == pytest.approx([0.2, 0.5])
    assert diverse["seeds"].to_list() == [2, 2]
    figure = accuracy_by_size.draw(frame, style.palette([*sets, *added]))
    panel = next(one for one in figure.axes if one.get_title().startswith("val"))
    line = next(one for one in panel.get_lines() if one.get_label() == "diverse (4 clusters)")
    assert list(line.get_ydata()) == pytest.approx([0.2, 0.5])
    assert line.get_linestyle() != "None" and line.get_marker() != "None"
