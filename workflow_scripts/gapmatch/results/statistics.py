"""Intervals, correlations and fits behind the tables and figures; every result is deterministic.

scipy.stats takes longer to import than most programs take to compute: what needs it imports it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95


def bootstrap_interval(correct: NDArray[np.bool_], level: float = LEVEL) -> tuple[float, float]:
    """Percentile bootstrap interval of an accuracy, computed exactly instead of by resampling.

    A bootstrap replicate draws n of the n images with replacement and takes the mean of their
    0/1 values. Each draw is 1 with probability p = mean(correct), independently of the others,
    so n times the replicate follows Binomial(n, p). Its quantiles, divided by n, are therefore
    what the percentile bootstrap (Efron & Tibshirani 1993, chapter 13) tends to as the number of
    replicates grows: no seed, no noise. Like every bootstrap it has width zero when all images
    are right or all are wrong.

    Args:
        correct: (images,) whether each test image was classified correctly.
        level: Coverage, in (0, 1).

    Returns:
        Lower and upper bound, fractions in [0, 1]; NaN when there are no images.
    """
    return proportion_interval(int(np.count_nonzero(correct)), int(correct.size), level)


def proportion_interval(right: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Percentile bootstrap interval of a share, see ``bootstrap_interval``.

    Args:
        right: Images that count.
        n: Of how many.
        level: Coverage, in (0, 1).

    Returns:
        Lower and upper bound, fractions in [0, 1]; NaN when there are no images.
    """
    if n == 0:
        return float("nan"), float("nan")
    tail = (1.0 - level) / 2.0
    from scipy import stats

    low, high = stats.binom.ppf([tail, 1.0 - tail], n, right / n) / n
    return float(low), float(high)


def seed_interval(correct: NDArray[np.bool_], level: float = LEVEL) -> tuple[float, float]:
    """Interval over images for an accuracy averaged over seeds: the mean of the seeds' bounds.

    The seeds are evaluated on the same images, so pooling them as if they were independent
    images would give too narrow an interval. The standard deviation of a mean over seeds is at
    most the mean of the seeds' standard deviations, with equality when the seeds err on the
    same images; averaging the bounds is thus as wide as the images can require.

    Args:
        correct: (images, seeds).
        level: Coverage, in (0, 1).

    Returns:
        Lower and upper bound, fractions in [0, 1].
    """
    bounds = [bootstrap_interval(column, level) for column in correct.T]
    low, high = np.mean(bounds, axis=0)
    return float(low), float(high)


def drawn_seeds(models: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """Return replicates over images and seeds from those over images.

    Of each replicate the seeds are drawn with replacement; a training set with one seed shows no
    variation over seeds.

    Args:
        models: (replicates, seeds): of each model of a training set, on the same drawn images.
        name: Of the training set: another one's seeds are drawn independently.

    Returns:
        (replicates,): the mean over drawn seeds.
    """
    seeds = np.random.default_rng(list(name.encode())).integers(models.shape[1], size=models.shape)
    return np.asarray(np.take_along_axis(models, seeds, axis=1).mean(axis=1))


def percentile_interval(
    replicates: NDArray[np.float64], level: float = LEVEL
) -> tuple[float, float]:
    """Return the percentile interval of bootstrap replicates (Efron & Tibshirani 1993).

    Replicates in which there was nothing to measure (NaN) are left out.
    """
    tail = (1.0 - level) / 2.0
    low, high = np.nanquantile(replicates, [tail, 1.0 - tail])
    return float(low), float(high)


def mean_and_spread(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and sample standard deviation (n - 1) over seeds; the latter is NaN for one seed."""
    spread = float(np.std(values, ddof=1)) if values.size > 1 else float("nan")
    return float(np.mean(values)), spread


def logit(accuracy: NDArray[np.float64], n: NDArray[np.int64]) -> NDArray[np.float64]:
    """log(a / (1 - a)), with accuracies of 0 and 1 moved by half an image so that it is finite.

    Args:
        accuracy: Fractions in [0, 1].
        n: Number of test images behind each accuracy, same shape.
    """
    half = 0.5 / np.maximum(n, 1)
    inside = np.clip(accuracy, half, 1.0 - half)
    return np.asarray(np.log(inside) - np.log1p(-inside), dtype=np.float64)


def inverse_logit(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """The fraction whose logit is ``value``."""
    return np.asarray(1.0 / (1.0 + np.exp(-value)), dtype=np.float64)


class Line(NamedTuple):
    """A least-squares line through points, with what its confidence band needs.

    Attributes:
        slope: Of y on x.
        intercept: At x = 0.
        slope_error: Standard error of the slope; 0 for two points.
        intercept_error: Standard error of the intercept; 0 for two points.
        centre: Mean of the points' x.
        points: How many there are.
    """

    slope: float
    intercept: float
    slope_error: float
    intercept_error: float
    centre: float
    points: int


def fit_line(x: NDArray[np.float64], y: NDArray[np.float64]) -> Line | None:
    """Least-squares line of y on x; None when x has no two different values.

    Effective robustness (Taori et al. 2020) fits this line to the logits of OOD and ID accuracy.
    """
    if x.size < 2 or np.ptp(x) <= 1e-9:
        return None
    from scipy import stats

    fit = stats.linregress(x, y)
    return Line(
        slope=float(fit.slope),
        intercept=float(fit.intercept),
        slope_error=float(fit.stderr),
        intercept_error=float(fit.intercept_stderr),
        centre=float(np.mean(x)),
        points=int(x.size),
    )


def confidence_band(
    line: Line, x: NDArray[np.float64], level: float = LEVEL
) -> NDArray[np.float64] | None:
    """Half the width of the confidence band of a fitted line, point by point.

    The variance of the line at x is var(a) + x^2 var(b) + 2 x cov(a, b), where the covariance of
    intercept and slope is -mean(x) var(b); the quantile is Student's with n - 2 degrees of freedom
    (Draper & Smith 1998, section 3.1).

    Args:
        line: The fitted line.
        x: Where the width is wanted.
        level: Coverage, in (0, 1).

    Returns:
        Same shape as ``x``; None for a line through two points, which tell no deviation.
    """
    if line.points < 3:
        return None
    variance = line.intercept_error**2 + line.slope_error**2 * (x**2 - 2 * x * line.centre)
    from scipy import stats

    quantile = stats.t.ppf((1.0 + level) / 2.0, line.points - 2)
    return np.asarray(quantile * np.sqrt(np.maximum(variance, 0)), dtype=np.float64)


def pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Pearson correlation; NaN when either side is constant or there are fewer than two pairs."""
    if x.size < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(np.corrcoef(x, y)[0, 1])


def spearman(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Spearman rank correlation with average ranks for ties; NaN like ``pearson``."""
    if x.size < 2:
        return float("nan")
    from scipy import stats

    return pearson(stats.rankdata(x), stats.rankdata(y))


def mean_correlation(similarity: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Pearson correlation of similarity with correctness (images, seeds), averaged over seeds."""
    each = [pearson(similarity, column.astype(np.float64)) for column in correct.T]
    return float(np.mean(each))


class AccuracyBin(NamedTuple):
    """Accuracy of the test images whose similarity lies in one bin."""

    low: float
    high: float
    mean_similarity: float
    n: int
    accuracy: float
    accuracy_low: float
    accuracy_high: float


def quantile_bins(
    values: NDArray[np.float64], bins: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sort values into bins that hold equally many; equal values never straddle an edge.

    Args:
        values: (n,), at least one.
        bins: Number of bins wanted, at least 1; ties can make bins uneven or fewer.

    Returns:
        The edges, ascending, and (n,) the number of each value's bin.
    """
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, bins + 1)))
    place = np.searchsorted(edges, values, side="right") - 1
    return edges, np.clip(place, 0, max(len(edges) - 2, 0))


def binned_accuracy(
    similarity: NDArray[np.float64], correct: NDArray[np.bool_], bins: int
) -> list[AccuracyBin]:
    """Accuracy as a function of similarity, in bins that hold equally many images.

    Bin edges are quantiles of the similarity; equal values never straddle an edge, so ties can
    make bins uneven or fewer than asked for. Bins are closed on the left (the last on both sides).

    Args:
        similarity: (images,) nearest-neighbour similarity.
        correct: (images, seeds).
        bins: Number of bins wanted, at least 1.

    Returns:
        The non-empty bins from low to high similarity; intervals as in ``seed_interval``.
    """
    if similarity.size == 0:
        return []
    edges, place = quantile_bins(similarity, bins)
    result = []
    for index in np.unique(place):
        inside = place == index
        low, high = seed_interval(correct[inside])
        result.append(
            AccuracyBin(
                low=float(edges[index]),
                high=float(edges[min(index + 1, len(edges) - 1)]),
                mean_similarity=float(np.mean(similarity[inside])),
                n=int(np.sum(inside)),
                accuracy=float(np.mean(correct[inside])),
                accuracy_low=low,
                accuracy_high=high,
            )
        )
    return result
