"""Differences between training sets: paired, with intervals that hold what they promise."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gapmatch.results.evaluations import Evaluation
from gapmatch.running.errors import InputError
from gapmatch.tables.accuracy import accuracy_table
from gapmatch.tables.differences import (
    differences,
    differences_table,
    read_differences,
    scores_near_chance,
    shown,
)


def evaluation(name: str, correct: np.ndarray, seed: int = 0, first: int = 0) -> Evaluation:
    rows = np.arange(first, first + len(correct), dtype=np.int32)
    images = pl.DataFrame(
        {"test_row": rows, "label": rows % 4, "predicted": rows % 4, "correct_top1": correct}
    )
    return Evaluation(name, seed, "sketch", images)


def drawn(accuracy: float, images: int = 400, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(images) < accuracy


@settings(max_examples=50)
@given(
    one=st.floats(0.05, 0.95),
    other=st.floats(0.05, 0.95),
    shared=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_interval_is_that_of_resampled_images(
    one: float, other: float, shared: float, seed: int
) -> None:
    """Against scipy's bootstrap, which draws the images themselves."""
    a = drawn(one, seed=seed)
    b = np.where(drawn(shared, seed=seed + 1), a, drawn(other, seed=seed + 2))
    (row,) = differences([evaluation("a", a), evaluation("b", b)], "a", None)
    theirs = stats.bootstrap(
        (b.astype(float) - a.astype(float),),
        np.mean,
        method="percentile",
        n_resamples=4000,
        rng=np.random.default_rng(0),
    ).confidence_interval
    # The bounds are drawn, and of whole images.
    spread = float(np.std(b.astype(float) - a.astype(float))) / np.sqrt(len(a))
    np.testing.assert_allclose(
        (row.low, row.high), tuple(theirs), atol=0.25 * spread + 1.001 / len(a)
    )


def test_pairs_tell_more_than_two_intervals() -> None:
    baseline = drawn(0.5)
    worse = baseline.copy()
    worse[np.flatnonzero(baseline)[:12]] = False  # three points, on twelve of the same images
    (row,) = differences([evaluation("b", baseline), evaluation("w", worse)], "b", None)
    assert row.difference == pytest.approx(-0.03)
    assert row.distinguishable
    assert row.low < -0.03 < row.high < 0
    assert (row.n, row.seeds, row.remains) == (400, 1, None)


def test_chance_is_not_told_as_a_difference() -> None:
    """The example of a report that claimed a share of one point."""
    sets = {"b": 14, "r": 10, "p": 14}
    evaluations = []
    for place, (name, right) in enumerate(sets.items()):
        correct = np.zeros(400, dtype=bool)
        correct[100 * place : 100 * place + right] = True
        evaluations.append(evaluation(name, correct))
    alone, pruned = differences(evaluations, "b", "r")
    assert not alone.distinguishable
    assert not pruned.distinguishable
    assert pruned.remains is None
    assert shown([pruned])["sketch (n = 400)"][0].endswith("not distinguishable")


def test_between_two_models_at_chance_no_difference_is_told() -> None:
    """With four classes all of one answer, 30 of 100 right is not above chance; nor is 20."""
    correct = {name: np.zeros(400, dtype=bool) for name in ("b", "p", "q")}
    for name, right in (("b", 110), ("p", 60), ("q", 300)):
        correct[name][:right] = True
    evaluations = [evaluation(name, one) for name, one in correct.items()]
    accuracy = accuracy_table(
        [
            replace(one, images=one.images.with_columns(correct_top5="correct_top1"))
            for one in evaluations
        ]
    )
    near = scores_near_chance(accuracy, None)
    assert near == {("b", "sketch", "top1"), ("p", "sketch", "top1")}
    worse, better = differences(evaluations, "b", None, near_chance=near)
    assert worse.distinguishable
    assert worse.at_chance
    assert shown([worse])["sketch (n = 400)"][0].endswith("both at chance")
    assert (better.distinguishable, better.at_chance) == (True, False)
    recalls = pl.DataFrame(
        {
            "training_set": ["b", "p"], "test_set": "flickr", "direction": "text_to_image",
            "n": 10, "recall": [0.3, 0.5], "low": [0.1, 0.4], "high": [0.5, 0.6], "chance": 0.2,
        }
    )  # fmt: skip
    found = scores_near_chance(accuracy, recalls) - near
    assert found == {("b", "flickr", "text_to_image_1")}


def test_what_remains_of_the_gain() -> None:
    correct = {name: np.zeros(1000, dtype=bool) for name in ("b", "r", "p")}
    for name, right in (("b", 600), ("r", 100), ("p", 500)):
        correct[name][:right] = True
    rows = differences([evaluation(name, one) for name, one in correct.items()], "b", "r")
    pruned = next(row for row in rows if row.training_set == "p")
    assert pruned.remains == pytest.approx(0.8)
    assert pruned.remains_low is not None
    assert pruned.remains_high is not None
    assert 0.7 < pruned.remains_low < 0.8 < pruned.remains_high < 0.9


@settings(max_examples=60, deadline=None)
@given(lost=st.integers(0, 30), seed=st.integers(0, 20))
def test_a_share_is_told_where_the_gain_is_distinguishable(lost: int, seed: int) -> None:
    baseline = drawn(0.5, 200, seed)
    alone = baseline.copy()
    alone[np.flatnonzero(baseline)[:lost]] = False
    models = {"b": baseline, "r": alone, "p": drawn(0.4, 200, seed + 1)}
    rows = differences([evaluation(name, one) for name, one in models.items()], "b", "r")
    reference, pruned = rows
    assert (pruned.remains is not None) == reference.distinguishable


def test_seeds_that_differ_widen_the_interval() -> None:
    baseline = [evaluation("b", drawn(0.5, seed=9), seed) for seed in (0, 1)]
    alike = [evaluation("p", drawn(0.4, seed=8), seed) for seed in (0, 1)]
    apart = [evaluation("p", drawn(p, seed=8), seed) for seed, p in enumerate((0.3, 0.5))]
    widths = []
    for models in (alike, apart):
        (row,) = differences([*baseline, *models], "b", None)
        assert row.seeds == 2
        widths.append(row.high - row.low)
    assert widths[1] > 1.5 * widths[0]


def test_models_of_other_images_are_refused() -> None:
    models = [evaluation("b", drawn(0.5)), evaluation("p", drawn(0.5), first=1)]
    with pytest.raises(InputError, match="other images of sketch"):
        differences(models, "b", None)
    with pytest.raises(InputError, match="the baseline, was not evaluated on sketch"):
        differences(models[1:], "b", None)


def test_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    models = [evaluation(name, drawn(p)) for name, p in (("b", 0.6), ("r", 0.2), ("p", 0.5))]
    rows = differences(models, "b", "r")
    differences_table(rows).write_csv(tmp_path / "differences.csv")
    assert read_differences(tmp_path / "differences.csv") == rows
