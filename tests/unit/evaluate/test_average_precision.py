"""Average precision and its bootstrap against plain NumPy loops."""

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gapmatch.evaluate import metrics
from gapmatch.evaluate.average_precision import average_precision, chance_precision, rank

SEEDS = st.integers(0, 2**32 - 1)


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


def precision_of(shown: set[int], scores: list[float], drawn: list[int]) -> float | None:
    """Return the mean over drawn images that show a class of the precision at them.

    Args:
        shown: The images that show it.
        scores: Of each image.
        drawn: Images, some more than once.
    """
    found = []
    for image in drawn:
        if image in shown:
            others = [one for one in drawn if one != image and scores[one] >= scores[image]]
            hits = sum(one in shown for one in others)
            found.append((1 + hits) / (1 + len(others)))
    return float(np.mean(found)) if found else None


def mean_precision(images: pl.DataFrame, drawn: list[int]) -> float:
    """Return the mean over the classes that were drawn."""
    scores = np.array(images["scores"].to_list())
    labels = images["labels"].to_list()
    found = [
        precision_of(
            {image for image in range(len(labels)) if place in labels[image]}, column, drawn
        )
        for place, column in enumerate(scores.T.tolist())
    ]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else float("nan")


def by_thresholds(labels: list[bool], scores: list[float]) -> float:
    """Return sum of (R_k - R_k-1) P_k over the thresholds, one after another."""
    found, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        chosen = [label for label, score in zip(labels, scores, strict=True) if score >= threshold]
        recall = sum(chosen) / sum(labels)
        found += (recall - before) * sum(chosen) / len(chosen)
        before = recall
    return found


@given(
    seed=SEEDS, images=st.integers(1, 40), classes=st.integers(1, 5), different=st.integers(1, 50)
)
def test_average_precision_is_that_of_a_loop_over_thresholds(
    seed: int, images: int, classes: int, different: int
) -> None:
    made = many_labelled(seed, images, classes, different)
    assume(made["labels"].list.len().sum())
    labels, scores = made["labels"].to_list(), np.array(made["scores"].to_list())
    expected = [
        by_thresholds([place in one for one in labels], scores[:, place].tolist())
        for place in range(classes)
        if any(place in one for one in labels)
    ]
    (found,) = metrics.values(metrics.PRECISION, [made])
    assert found == pytest.approx(np.mean(expected))


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


def test_replicates_are_of_drawn_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each replicate is that of the images that were drawn; copies of one do not raise its own."""
    made = many_labelled(1, 50, 3, 7)
    monkeypatch.setattr(metrics, "FEWER_REPLICATES", 30)
    monkeypatch.setattr(metrics, "BLOCK", 350)  # seven at a time
    found = metrics.replicates(metrics.PRECISION, [made])
    rng = np.random.default_rng(0)
    drawn = np.concatenate([rng.integers(50, size=(n, 50)) for n in (7, 7, 7, 7, 2)])
    expected = [mean_precision(made, rows.tolist()) for rows in drawn]
    np.testing.assert_allclose(found[:, 0], expected)


def test_a_class_that_is_not_drawn_takes_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two images that show a class, many replicates hold none."""
    made = many_labelled(1, 12, 2, 50).with_columns(
        labels=pl.Series([[0, 1], [1], *[[] for _ in range(10)]], dtype=pl.List(pl.Int32))
    )
    monkeypatch.setattr(metrics, "FEWER_REPLICATES", 60)
    found = metrics.replicates(metrics.PRECISION, [made])[:, 0]
    drawn = np.random.default_rng(0).integers(12, size=(60, 12))
    expected = [mean_precision(made, rows.tolist()) for rows in drawn]
    assert 0 < np.isnan(expected).sum() < 60
    np.testing.assert_allclose(found, expected)


def test_intervals_cover_the_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 120 samples with few images of a class, about 95 of 100 intervals hold what it tends to.

    With replicates whose copies raise one another, 81 of 100 did.
    """
    monkeypatch.setattr(metrics, "FEWER_REPLICATES", 400)
    rng = np.random.default_rng(0)

    def drawn() -> pl.DataFrame:
        shown = rng.random((1000, 20)) < 0.02
        scores = rng.normal(size=shown.shape) + shown
        return pl.DataFrame(
            {"labels": [np.flatnonzero(row).tolist() for row in shown], "scores": scores.tolist()}
        )

    truth = np.mean([metrics.values(metrics.PRECISION, [drawn()])[0] for _ in range(150)])
    held = 0
    for _ in range(120):
        made = drawn()
        low, high = np.quantile(metrics.replicates(metrics.PRECISION, [made]), [0.025, 0.975])
        held += low <= truth <= high
    assert 0.9 <= held / 120 <= 0.99


@pytest.mark.parametrize(("images", "shown"), [(1, 1), (20, 1), (20, 7), (200, 10), (20, 20)])
def test_chance_is_the_mean_of_random_orders(images: int, shown: int) -> None:
    rng = np.random.default_rng(0)
    labels, once = np.arange(images) < shown, np.ones((images, 1), dtype=np.float32)
    tries = [average_precision(rank(labels, rng.random(images)), once)[0] for _ in range(2_000)]
    (chance,) = chance_precision(np.array([shown]), images)
    assert chance == pytest.approx(np.mean(tries), abs=4 * np.std(tries) / np.sqrt(2_000) + 1e-9)
