"""Metrics of models on a test set, and their bootstrap replicates over its images.

Each metric is a mean over groups of images of hits among queries (accuracies, recalls), or the mean
average precision of images with several classes.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.evaluate.average_precision import mean_average_precision, rankings

Counts = npt.NDArray[np.int64]
Fractions = npt.NDArray[np.float64]

TOP1, TOP5, PER_CLASS = "top1", "top5", "mean_per_class"
PRECISION = "mean_average_precision"
DIRECTIONS = ("image_to_text", "text_to_image")
RECALLS = (1, 5, 10)
"""A caption or image is found if it is among so many."""
NAMES = {
    TOP1: "top-1",
    TOP5: "top-5",
    PER_CLASS: "mean per class",
    PRECISION: "mAP",
    "image_to_text_1": "image to text, recall at 1",
    "text_to_image_1": "text to image, recall at 1",
}
"""How people call them."""
REPLICATES = 10_000
FEWER_REPLICATES = 2_000
"""Of means over classes, which take longer."""
BLOCK = 4_000_000
"""Images that are drawn at a time."""


class Rates(NamedTuple):
    """What models make of each image of a test set.

    Attributes:
        hits: (images, models): queries of an image that succeed.
        queries: (images,): of how many.
        groups: (images,): the mean is over these, of their rates; one group for a plain rate.
    """

    hits: Counts
    queries: Counts
    groups: Counts


def is_multilabel(images: pl.DataFrame) -> bool:
    """Return whether the images of an evaluation have several classes each."""
    return "scores" in images.columns


def has_captions(images: pl.DataFrame) -> bool:
    """Return whether the images of an evaluation have captions instead of classes."""
    return "image_ranks" in images.columns


def headline(images: pl.DataFrame, per_class: bool) -> str:
    """Return the metric that a test set is judged by.

    Args:
        images: Of an evaluation.
        per_class: Whether it is the mean over classes, by the convention of that test set.
    """
    if is_multilabel(images):
        return PRECISION
    return PER_CLASS if per_class else TOP1


def rates(metric: str, models: Sequence[pl.DataFrame]) -> Rates:
    """Return hits and queries of each image for a metric that is a rate.

    Args:
        metric: top1, top5, mean_per_class, or a direction and the K of a recall, such as
            text_to_image_5.
        models: Of each model, its evaluation of the same images in the same order.
    """
    first = models[0]
    one = np.ones(len(first), dtype=np.int64)
    direction, _, k = metric.rpartition("_")
    if direction in DIRECTIONS:
        found = [_found(images, direction, int(k)) for images in models]
        queries = one if direction == DIRECTIONS[0] else captions_of(first)
        return Rates(np.column_stack(found), queries, 0 * one)
    column = "correct_top5" if metric == TOP5 else "correct_top1"
    hits = np.column_stack([images[column].to_numpy() for images in models])
    groups = first["label"].to_numpy().astype(np.int64) if metric == PER_CLASS else 0 * one
    return Rates(hits.astype(np.int64), one, groups)


def captions_of(images: pl.DataFrame) -> Counts:
    """Return the number of captions of each image, (images,)."""
    return images["image_ranks"].list.len().to_numpy().astype(np.int64)


def _found(images: pl.DataFrame, direction: str, k: int) -> Counts:
    """Return how many queries of each image find what they should among the first k."""
    if direction == DIRECTIONS[0]:
        return np.asarray(images["caption_rank"].to_numpy() <= k, dtype=np.int64)
    hits = images.select(pl.col("image_ranks").list.eval(pl.element() <= k).list.sum())
    return hits.to_series().to_numpy().astype(np.int64)


def values(metric: str, models: Sequence[pl.DataFrame]) -> Fractions:
    """Return a metric of each model, (models,) fractions.

    Args:
        metric: See ``rates``, or mean_average_precision.
        models: Of each model, its evaluation of the same images in the same order.
    """
    return np.asarray(_weighted(metric, models)(np.ones((1, len(models[0]))))[0])


def replicates(metric: str, models: Sequence[pl.DataFrame]) -> Fractions:
    """Return bootstrap replicates of a metric, of all models on the same drawn images.

    Which images are drawn depends on their number alone, so that a model's replicates are the same
    beside whatever others. A class of which no image is drawn takes no part in a mean over classes.

    Returns:
        (replicates, models).
    """
    images = len(models[0])
    measure = _weighted(metric, models)
    rng, found = np.random.default_rng(0), []
    of_all = FEWER_REPLICATES if metric in (PER_CLASS, PRECISION) else REPLICATES
    size = max(1, BLOCK // images)
    for start in range(0, of_all, size):
        number = min(size, of_all - start)
        drawn = rng.integers(images, size=(number, images))
        drawn += images * np.arange(number)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=number * images)
        found.append(measure(weights.reshape(number, images).astype(np.float64)))
    return np.concatenate(found)


def _weighted(metric: str, models: Sequence[pl.DataFrame]) -> Callable[[Fractions], Fractions]:
    """Return what computes a metric from how often each image counts.

    Returns:
        From (replicates, images) to (replicates, models).
    """
    if metric == PRECISION:
        ranked = [rankings(images) for images in models]
        return lambda weights: np.column_stack(
            [mean_average_precision(classes, weights) for classes in ranked]
        )
    told = rates(metric, models)
    order = np.argsort(told.groups, kind="stable")
    starts = np.flatnonzero(np.diff(told.groups[order], prepend=-1))
    hits, queries = told.hits[order].astype(np.float64), told.queries[order].astype(np.float64)

    def mean_rates(weights: Fractions) -> Fractions:
        if len(starts) == 1:
            return np.asarray(weights @ hits / (weights @ queries)[:, None])
        sorted_weights = weights[:, order]
        of_all = np.add.reduceat(sorted_weights * queries, starts, axis=1)
        of_all = np.where(of_all > 0, of_all, np.nan)
        found = [
            np.nanmean(np.add.reduceat(sorted_weights * column, starts, axis=1) / of_all, axis=1)
            for column in hits.T
        ]
        return np.column_stack(found)

    return mean_rates
