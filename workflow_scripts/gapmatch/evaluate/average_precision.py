"""Average precision of the classes of images that show several, and its bootstrap over images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

Counts = npt.NDArray[np.int64]
Fractions = npt.NDArray[np.float64]
Weights = npt.NDArray[np.float32]


class Ranking(NamedTuple):
    """The images in the order of their scores for a class, as far as one shows it.

    Images of equal score share a place; so do those that do not show the class, with the next
    one that does.

    Attributes:
        images: Rows of the images, highest score first, up to the last that shows the class.
        starts: (places,): where in ``images`` each place begins.
        shown: (images that show the class,): their rows, in that order.
        first_shown: (places,): where in ``shown`` each place begins.
        place: (images that show the class,): the place of each.
    """

    images: Counts
    starts: Counts
    shown: Counts
    first_shown: Counts
    place: Counts


def rankings(images: pl.DataFrame) -> list[Ranking]:
    """Return the ranking of each class that an image shows, of one model.

    Args:
        images: labels and scores of each image, see ``predictions.score_classes``.
    """
    scores = np.stack(images["scores"].to_list())
    labels = np.zeros(scores.shape, dtype=np.bool_)
    for row, shown in enumerate(images["labels"].to_list()):
        labels[row, shown] = True
    return [
        rank(labels[:, place], scores[:, place])
        for place in range(scores.shape[1])
        if labels[:, place].any()
    ]


def rank(labels: npt.NDArray[np.bool_], scores: npt.NDArray[np.floating]) -> Ranking:
    """Rank images by their score for a class.

    Args:
        labels: (images,): whether an image shows the class; one at least does.
        scores: (images,).
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.diff(scores[order], append=np.inf)) + 1
    positions = np.flatnonzero(labels[order])
    stops, place = np.unique(np.searchsorted(ends, positions, side="right"), return_inverse=True)
    starts = np.concatenate([[0], ends[stops[:-1]]])
    return Ranking(
        images=order[: ends[stops[-1]]],
        starts=starts,
        shown=order[positions],
        first_shown=np.searchsorted(place, np.arange(len(starts))),
        place=place,
    )


def average_precision(ranking: Ranking, weights: Weights) -> Fractions:
    """Return the average precision of a class: the mean precision at the images that show it.

    The precision at an image is the share that shows the class among it and the images whose
    score is as high or higher. An image that a replicate has drawn w times counts w times for
    others, but once at itself: its copies are no evidence of what else is found there. With weights
    of one this is the sum over k of (R_k - R_k-1) P_k.

    Args:
        ranking: Of the class.
        weights: (images, replicates): how often each image counts.

    Returns:
        (replicates,); NaN where no image that shows the class counts.
    """
    images = np.add.reduceat(weights[ranking.images], ranking.starts, axis=0).cumsum(axis=0)
    own = weights[ranking.shown].astype(np.float64)
    hits = np.add.reduceat(own, ranking.first_shown, axis=0).cumsum(axis=0)
    precision = (hits[ranking.place] - own + 1) / (images[ranking.place] - own + 1)
    of_all = own.sum(axis=0)
    found = np.full(weights.shape[1], np.nan)
    np.divide((own * precision).sum(axis=0), of_all, out=found, where=of_all > 0)
    return found


def mean_average_precision(classes: Sequence[Ranking], weights: Fractions) -> Fractions:
    """Return the mean over classes of the average precision, without those that do not occur.

    Args:
        classes: Their rankings.
        weights: (replicates, images): how often each image counts.

    Returns:
        (replicates,); NaN where no class occurs.
    """
    drawn = np.ascontiguousarray(weights.T, dtype=np.float32)
    total, occurs = np.zeros(len(weights)), np.zeros(len(weights))
    for ranking in classes:
        found = average_precision(ranking, drawn)
        total += np.nan_to_num(found)
        occurs += ~np.isnan(found)
    return np.asarray(np.divide(total, occurs, out=np.full_like(total, np.nan), where=occurs > 0))


def chance_precision(shown: Counts, images: int) -> Fractions:
    """Return the expected average precision of a random order, (classes,).

    ((R - 1) (N - H_N) / (N - 1) + H_N) / N, of R among N images that show a class, where H_N is the
    sum of 1 / k up to N: the image at place k shows it with probability R / N, and then so do
    (R - 1) / (N - 1) of the k - 1 before it.

    Args:
        shown: (classes,): images that show each class, one at least.
        images: N.
    """
    harmonic = float((1 / np.arange(1, images + 1)).sum())
    before = (shown - 1) / max(images - 1, 1)
    return np.asarray((before * (images - harmonic) + harmonic) / images)
