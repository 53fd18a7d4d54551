"""Which samples of the pool each kind of subset keeps.

All functions take one value per pool sample in the order of (chunk, row) and return a mask; the
pool is what deduplication left. Results do not depend on how the samples are cut into chunks.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from gapmatch.embedding_files import Float32
from gapmatch.errors import InputError

Mask = npt.NDArray[np.bool_]


def parse_keep(text: str) -> int | float:
    """Return "0.5", "1.0" or "1e-2" as a fraction and "1000" as a number of samples.

    Raises:
        ValueError: Neither; or a fraction outside (0, 1], or a number below 1.
    """
    if text.isdecimal():
        number = int(text)
        if number < 1:
            raise ValueError(f"{text}: a number of samples must be at least 1")
        return number
    fraction = float(text)
    if not 0 < fraction <= 1:
        raise ValueError(f"{text}: a fraction must be above 0 and at most 1")
    return fraction


def samples_to_keep(keep: int | float, pool: int, subset: str) -> int:
    """Return how many samples ``keep`` (a number, or a fraction of the pool) stands for.

    Raises:
        InputError: More than the pool holds.
    """
    number = round(keep * pool) if isinstance(keep, float) else keep
    if number > pool:
        raise InputError(
            f"subsets.{subset}.keep asks for {number} samples but the pool holds only {pool}; "
            f"lower it to at most {pool}, or give a fraction."
        )
    return number


def select_all(pool: int) -> Mask:
    """Keep every sample."""
    return np.ones(pool, dtype=np.bool_)


def select_none(pool: int) -> Mask:
    """Keep no sample."""
    return np.zeros(pool, dtype=np.bool_)


def select_gap_match(largest_margin: Float32, offset: float) -> Mask:
    """Keep the samples that are to no test image nearer than the reference is.

    Args:
        largest_margin: (pool,): m_K(p), the largest over the test sets.
        offset: Keep up to this margin, equality included.
    """
    kept: Mask = largest_margin <= np.float64(offset)
    return kept


def select_near(nearest_similarity: Float32, number: int) -> Mask:
    """Drop the samples most similar to a test image until ``number`` are left.

    Args:
        nearest_similarity: (pool,): max over test images of s(t_i, p).
        number: Samples to keep, at most the pool; of equal ones the earlier is kept.
    """
    return _lowest(nearest_similarity, number)


def select_far(nearest_similarity: Float32, number: int) -> Mask:
    """Drop the samples least similar to a test image until ``number`` are left.

    Args:
        nearest_similarity: (pool,): max over test images of s(t_i, p).
        number: Samples to keep, at most the pool; of equal ones the earlier is kept.
    """
    return _lowest(-nearest_similarity, number)


def select_random(pool: int, number: int, seed: int) -> Mask:
    """Keep ``number`` samples at random; which ones depends on the seed and the pool's size."""
    kept = select_none(pool)
    kept[np.random.default_rng(seed).permutation(pool)[:number]] = True
    return kept


def _lowest(values: npt.NDArray[np.floating[Any]], number: int) -> Mask:
    """Keep the ``number`` lowest values, the earlier of equal ones."""
    if number == 0:
        return select_none(len(values))
    limit = np.partition(values, number - 1)[number - 1]
    kept: Mask = values < limit
    equal = np.flatnonzero(values == limit)
    kept[equal[: number - int(kept.sum())]] = True
    return kept
