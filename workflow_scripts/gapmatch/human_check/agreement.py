"""Agreement of raters with embedders and among themselves, with intervals."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gapmatch.results.statistics import percentile_interval

Floats: TypeAlias = NDArray[np.float64]

REPLICATES = 2_000
SEED = 0


class Estimate(NamedTuple):
    """A value with its 95 % interval; None where there is nothing to measure."""

    value: float | None
    low: float | None
    high: float | None


NOTHING = Estimate(None, None, None)


def agreeing(chose_pool: Floats, difference: Floats) -> Floats:
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


def share(values: Floats) -> Estimate:
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
    raters, trials = _drawn(values)
    total, number = (
        ((raters @ cells) * trials).sum(axis=1)
        for cells in (np.nan_to_num(values), answered.astype(np.float64))
    )
    return Estimate(float(values[answered].mean()), *percentile_interval(_ratio(total, number)))


def _drawn(values: Floats) -> tuple[Floats, Floats]:
    """Return (REPLICATES, raters) and (REPLICATES, trials): how often each is drawn."""
    generator = np.random.default_rng(SEED)
    raters, trials = (
        generator.multinomial(size, np.full(size, 1 / size), REPLICATES).astype(np.float64)
        for size in values.shape
    )
    return raters, trials


def _ratio(value: Floats, of: Floats) -> Floats:
    """Return a quotient; NaN where there is nothing to divide by, as without any answer."""
    quotient = np.full(value.shape, np.nan)
    np.divide(value, of, out=quotient, where=of > 0)
    return quotient


def alpha(chose_pool: Floats) -> Estimate:
    """Return Krippendorff's alpha of nominal answers, with an interval as that of ``share``.

    A rater who is drawn twice is not compared with himself: he would agree.

    Args:
        chose_pool: (raters, trials): 1 pool, 0 reference, NaN no answer.
    """
    # Every process that plans a study imports the modules of tables.
    import krippendorff

    counts = np.stack([(chose_pool == 0).sum(axis=0), (chose_pool == 1).sum(axis=0)], axis=1)
    if not counts[counts.sum(axis=1) > 1].sum(axis=0).all():
        return NOTHING  # no trial with two answers, or all are equal: nothing to disagree on
    value = float(krippendorff.alpha(value_counts=counts, level_of_measurement="nominal"))
    replicates = _alphas(chose_pool, *_drawn(chose_pool))
    return Estimate(value, *percentile_interval(replicates))


def _alphas(chose_pool: Floats, raters: Floats, trials: Floats) -> Floats:
    """Return (replicates,) alpha of drawn raters and trials; NaN where it is not defined.

    Args:
        chose_pool: As in ``alpha``.
        raters: (replicates, raters), how often each is drawn.
        trials: (replicates, trials), the same.
    """
    answered = (~np.isnan(chose_pool)).astype(np.float64)
    number, pool = raters @ answered, raters @ np.nan_to_num(chose_pool)
    pairs = number**2 - raters**2 @ answered  # of two different raters
    weight = trials * number * (pairs > 0)
    total = weight.sum(axis=1)
    unequal = np.nan_to_num(_ratio(2 * pool * (number - pool), pairs))
    observed = _ratio((weight * unequal).sum(axis=1), total)
    of_pool = (trials * pool * (pairs > 0)).sum(axis=1)
    expected = 2 * of_pool * (total - of_pool) / np.maximum(total * (total - 1), 1)
    return 1 - _ratio(observed, expected)
