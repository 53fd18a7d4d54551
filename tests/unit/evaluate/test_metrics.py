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


def many_labelled(seed: int, images: int, classes: int, different: int) -> pl.DataFrame:
    """Return scores of images with several classes each; few different scores make ties."""
    rng = np.random.default_rng(seed)
    shown = rng.random((images, classes)) < 0.4
    return pl.DataFrame(
        {
            "labels": [np.flatnonzero(row).tolist() for row in shown],
            "scores": (rng.integers(different, size=shown.shape) / 8).tolist(),
        },
        schema={"labels": pl.List(pl.Int32), "scores": pl.List(pl.Float32)},
    )


def mean_per_class(images: pl.DataFrame) -> float:
    of_class: dict[int, list[bool]] = {}
    for label, correct in images.select("label", "correct_top1").iter_rows():
        of_class.setdefault(label, []).append(correct)
    return float(np.mean([np.mean(values) for values in of_class.values()]))


def average_precision(labels: list[bool], scores: list[float]) -> float:
    """Return sum of (R_k - R_k-1) P_k over the thresholds, one after another."""
    found, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [label for label, score in zip(labels, scores, strict=True) if score >= threshold]
        recall = sum(chosen) / sum(labels)
        found += (recall - before) * sum(chosen) / len(chosen)
        before = recall
    return found


def mean_average_precision(images: pl.DataFrame) -> float:
    scores = np.array(images["scores"].to_list())
    shown = [set(labels) for labels in images["labels"].to_list()]
    return float(
        np.mean(
            [
                average_precision([place in one for one in shown], scores[:, place].tolist())
                for place in range(scores.shape[1])
                if any(place in one for one in shown)
            ]
        )
    )


@given(seed=SEEDS, images=st.integers(1, 60), classes=st.integers(1, 8))
def test_accuracies_are_those_of_a_loop(seed: int, images: int, classes: int) -> None:
    models = [classified(seed, images, classes)]
    (top1,), (top5,) = metrics.values("top1", models), metrics.values("top5", models)
    assert top1 == models[0]["correct_top1"].mean()
    assert top5 == models[0]["correct_top5"].mean()
    (per_class,) = metrics.values("mean_per_class", models)
    assert per_class == pytest.approx(mean_per_class(models[0]))


@given(
    seed=SEEDS, images=st.integers(1, 40), classes=st.integers(1, 5), different=st.integers(1, 50)
)
def test_average_precision_is_that_of_a_loop(
    seed: int, images: int, classes: int, different: int
) -> None:
    made = many_labelled(seed, images, classes, different)
    if made["labels"].list.len().sum():
        (found,) = metrics.values(metrics.PRECISION, [made])
        assert found == pytest.approx(mean_average_precision(made))


def test_average_precision_of_distinct_scores_is_that_of_a_ranked_list() -> None:
    """The mean of the precision at each image that shows the class, as CLIP_benchmark has it."""
    made = many_labelled(5, 200, 6, 2**20)
    ranked = []
    for place in range(6):
        order = np.argsort([-row[place] for row in made["scores"].to_list()])
        shown = np.array([place in labels for labels in made["labels"].to_list()])[order]
        ranked.append(np.mean((shown.cumsum() / np.arange(1, 201))[shown]))
    (found,) = metrics.values(metrics.PRECISION, [made])
    assert found == pytest.approx(np.mean(ranked))


@pytest.mark.parametrize("metric", ["mean_per_class", metrics.PRECISION])
def test_replicates_are_of_drawn_images(metric: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each replicate is the metric of the images that were drawn, as a loop computes it."""
    made, loop = {
        "mean_per_class": (classified(1, 50, 4), mean_per_class),
        metrics.PRECISION: (many_labelled(1, 50, 3, 7), mean_average_precision),
    }[metric]
    monkeypatch.setattr(metrics, "FEWER_REPLICATES", 30)
    monkeypatch.setattr(metrics, "BLOCK", 350)  # seven at a time
    found = metrics.replicates(metric, [made])
    rng = np.random.default_rng(0)
    drawn = np.concatenate([rng.integers(50, size=(n, 50)) for n in (7, 7, 7, 7, 2)])
    expected = [loop(made[rows.tolist()]) for rows in drawn]
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


@pytest.mark.parametrize(("images", "shown"), [(1, 1), (20, 1), (20, 7), (200, 10), (20, 20)])
def test_chance_is_the_mean_of_random_orders(images: int, shown: int) -> None:
    rng = np.random.default_rng(0)
    labels = (np.arange(images) < shown)[:, None]
    tries = [
        metrics.average_precisions(labels, rng.random((images, 1)), np.ones((1, images)))[0, 0]
        for _ in range(2_000)
    ]
    (chance,) = metrics.chance_precision(np.array([shown]), images)
    assert chance == pytest.approx(np.mean(tries), abs=4 * np.std(tries) / np.sqrt(2_000) + 1e-9)
