"""Metrics and their bootstrap against plain NumPy loops."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapmatch.evaluate import metrics

SEEDS = st.integers(0, 2**32 - 1)


def classified(seed: int, images: int, classes: int) -> pl.DataFrame:
    """Return predictions of images with one class each."""
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(classes, size=(2, images))
    correct = labels == predicted
    return pl.DataFrame(
        {
            "label": labels,
            "predicted": predicted,
            "correct_top1": correct,
            "correct_top5": correct | (rng.random(images) < 0.3),
        }
    )


def mean_per_class(images: pl.DataFrame) -> float:
    of_class: dict[int, list[bool]] = {}
    for label, correct in images.select("label", "correct_top1").iter_rows():
        of_class.setdefault(label, []).append(correct)
    return float(np.mean([np.mean(values) for values in of_class.values()]))


@given(seed=SEEDS, images=st.integers(1, 60), classes=st.integers(1, 8))
def test_accuracies_are_those_of_a_loop(seed: int, images: int, classes: int) -> None:
    models = [classified(seed, images, classes)]
    (top1,), (top5,) = metrics.values("top1", models), metrics.values("top5", models)
    assert top1 == models[0]["correct_top1"].mean()
    assert top5 == models[0]["correct_top5"].mean()
    (per_class,) = metrics.values("mean_per_class", models)
    assert per_class == pytest.approx(mean_per_class(models[0]))


def test_replicates_are_of_drawn_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each replicate is the metric of the images that were drawn, as a loop computes it."""
    made = classified(1, 50, 4)
    monkeypatch.setattr(metrics, "FEWER_REPLICATES", 30)
    monkeypatch.setattr(metrics, "BLOCK", 350)  # seven at a time
    found = metrics.replicates("mean_per_class", [made])
    rng = np.random.default_rng(0)
    drawn = np.concatenate([rng.integers(50, size=(n, 50)) for n in (7, 7, 7, 7, 2)])
    expected = [mean_per_class(made[rows.tolist()]) for rows in drawn]
    np.testing.assert_allclose(found[:, 0], expected)


@settings(max_examples=20)
@given(seed=SEEDS, others=st.integers(0, 3))
def test_a_model_has_the_same_replicates_beside_others(seed: int, others: int) -> None:
    made = [classified(seed + one, 40, 5) for one in range(others + 1)]
    made = [one.with_columns(label=made[0]["label"]) for one in made]
    for metric in ("top1", "mean_per_class"):
        together = metrics.replicates(metric, made)
        np.testing.assert_allclose(together[:, 0], metrics.replicates(metric, made[:1])[:, 0])


def test_intervals_cover_the_truth() -> None:
    """Of 200 samples, about 95 of 100 percentile intervals of the mean per class hold it."""
    truth, held = np.array([0.9, 0.6, 0.3]), 0
    rng = np.random.default_rng(0)
    for _ in range(200):
        labels = rng.choice(3, p=[0.6, 0.3, 0.1], size=300)
        correct = rng.random(300) < truth[labels]
        made = pl.DataFrame({"label": labels, "correct_top1": correct})
        low, high = np.quantile(metrics.replicates("mean_per_class", [made]), [0.025, 0.975])
        held += low <= truth.mean() <= high
    assert 0.9 <= held / 200 <= 0.99
