"""Agreement of raters with embedders and among themselves, with intervals."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gapmatch.results.statistics import percentile_interval

REPLICATES = 10_000
ALPHA_REPLICATES = 2_000
SEED = 0


class Estimate(NamedTuple):
    """A value with its 95 % interval; None where there is nothing to measure."""

    value: float | None
    low: float | None
    high: float | None


NOTHING = Estimate(None, None, None)


def agreeing(
    chose_pool: NDArray[np.float64], difference: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return where raters chose the side that an embedder finds nearer.

    Args:
        chose_pool: (raters, trials): 1 pool, 0 reference, NaN no answer.
        difference: (trials,), similarity of the pool image minus that of the reference image.

    Returns:
        (raters, trials): 1 where they agree, 0 where not; 0.5 where the embedder finds both equally
        near, as chance would give; NaN where there is no answer.
    """
    nearer = np.where(difference > 0, chose_pool, 1 - chose_pool)
    return np.where((difference == 0) & ~np.isnan(chose_pool), 0.5, nearer)


def share(values: NDArray[np.float64]) -> Estimate:
    """Return the mean over all answers, with a bootstrap interval over raters and trials both.

    Each replicate draws raters and, independently, trials, both with replacement, and takes the
    answers of the drawn raters to the drawn trials (Owen 2007, the pigeonhole bootstrap). With one
    rater only the trials are drawn.

    Args:
        values: (raters, trials), NaN where there is no answer.
    """
    answered = ~np.isnan(values)
    if not answered.any():
        return NOTHING
    generator = np.random.default_rng(SEED)
    raters, trials = (_drawn(size, generator) for size in values.shape)
    total, number = (
        ((raters @ cells) * trials).sum(axis=1)
        for cells in (np.nan_to_num(values), answered.astype(np.float64))
    )
    # Where raters answered little, a replicate may hold no answer.
    means = np.divide(total, number, out=np.full(REPLICATES, np.nan), where=number > 0)
    return Estimate(float(values[answered].mean()), *percentile_interval(means))


def _drawn(size: int, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return (REPLICATES, size): how often each is drawn."""
    return generator.multinomial(size, np.full(size, 1 / size), REPLICATES).astype(np.float64)


def alpha(chose_pool: NDArray[np.float64]) -> Estimate:
    """Return Krippendorff's alpha of nominal answers, with a bootstrap interval over trials.

    Raters are not drawn: one who is drawn twice would agree with himself.

    Args:
        chose_pool: (raters, trials): 1 pool, 0 reference, NaN no answer.
    """
    counts = np.stack([(chose_pool == 0).sum(axis=0), (chose_pool == 1).sum(axis=0)], axis=1)
    counts = counts[counts.sum(axis=1) > 1]  # an answer alone tells nothing of agreement
    value = _alpha(counts)
    if np.isnan(value):
        return NOTHING
    generator = np.random.default_rng(SEED)
    draws = generator.integers(len(counts), size=(ALPHA_REPLICATES, len(counts)))
    replicates = np.array([_alpha(counts[drawn]) for drawn in draws])
    return Estimate(value, *percentile_interval(replicates))


def _alpha(counts: NDArray[np.int64]) -> float:
    """Return alpha; NaN where all answers are equal, which leaves nothing to disagree on."""
    # Every process that plans a study imports the modules of tables.
    import krippendorff

    if not counts.sum(axis=0).all():
        return float("nan")
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))
