"""Judging the models of a test set by one metric, on the same drawn images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gapmatch.evaluate import metrics
from gapmatch.results.evaluations import Evaluation
from gapmatch.results.statistics import drawn_seeds


def metrics_of(model: Evaluation, per_class: bool) -> list[str]:
    """Return what a test set is judged by: one metric, or recall at 1 in both directions."""
    if metrics.has_captions(model.images):
        return [f"{direction}_1" for direction in metrics.DIRECTIONS]
    return [metrics.headline(model.images, per_class)]


@dataclass(frozen=True)
class Judged:
    """All models on one test set, judged by one metric.

    Attributes:
        test_set: The test set.
        metric: The metric.
        n: Images.
        values: Its values by training set, (seeds,).
        replicates: By training set, over drawn images and seeds, (replicates,).
        over_images: By training set, the mean over seeds on drawn images, (replicates,).
    """

    test_set: str
    metric: str
    n: int
    values: dict[str, NDArray[np.float64]]
    replicates: dict[str, NDArray[np.float64]]
    over_images: dict[str, NDArray[np.float64]]


def judge(models: Sequence[Evaluation], metric: str) -> Judged:
    """Judge all models by one metric; the images are drawn once for all of them."""
    images = [one.images for one in models]
    values, replicates = metrics.values(metric, images), metrics.replicates(metric, images)
    names = np.array([one.training_set for one in models])
    places = {name: np.flatnonzero(names == name) for name in dict.fromkeys(names.tolist())}
    return Judged(
        models[0].test_set,
        metric,
        len(images[0]),
        {name: values[place] for name, place in places.items()},
        {name: drawn_seeds(replicates[:, place], name) for name, place in places.items()},
        {name: replicates[:, place].mean(axis=1) for name, place in places.items()},
    )
