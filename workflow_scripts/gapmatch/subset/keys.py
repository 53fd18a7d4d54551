"""Keys by which samples are kept: those with the lowest.

The pool is what deduplication left. It is taken chunk by chunk, never whole, and what is kept does
not depend on how the samples are cut into chunks.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from gapmatch.data.embedding_files import Float32
from gapmatch.running.errors import InputError

Mask = npt.NDArray[np.bool_]

Part = TypeVar("Part")

Keys = npt.NDArray[np.uint32]
"""One integer per sample; a subset of a given size keeps the samples with the lowest."""


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


def least_similar_first(nearest_similarity: Float32) -> Keys:
    """Return keys in the order of similarity: the lowest are those of the least similar samples.

    Args:
        nearest_similarity: (rows,): max over test images of s(t_i, p), finite.

    Returns:
        (rows,), in the order of the values; equal values have equal keys.
    """
    # Read as an integer, a float keeps its order when the sign bit of a positive one is set and
    # all bits of a negative one are turned round. Adding 0 makes -0.0 equal to 0.0.
    bits = (nearest_similarity + np.float32(0)).view(np.uint32)
    keys: Keys = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return keys


def most_similar_first(nearest_similarity: Float32) -> Keys:
    """Return keys whose lowest are those of the most similar samples."""
    keys: Keys = ~least_similar_first(nearest_similarity)
    return keys


def random_keys(generator: np.random.Generator, rows: int) -> Keys:
    """Draw the keys of the next rows; how rows are cut into calls changes nothing."""
    return (generator.random(rows) * 2.0**32).astype(np.uint32)


@dataclass(frozen=True)
class LowestKeys:
    """Which samples are the ``number`` with the lowest keys, the earlier of equal ones.

    Attributes:
        limit: Lower keys are kept, higher ones are not.
        ties: How many samples with the key ``limit`` are kept.
    """

    limit: int
    ties: int

    def masks(self, parts: Iterable[tuple[Part, Keys]]) -> Iterator[tuple[Part, Mask]]:
        """Yield each part with the samples of it that are kept.

        Args:
            parts: All parts with their keys, in the order of (chunk, row).
        """
        ties = self.ties
        for part, keys in parts:
            kept: Mask = keys < self.limit
            equal = np.flatnonzero(keys == self.limit)[:ties]
            kept[equal] = True
            ties -= len(equal)
            yield part, kept


def lowest_keys(passes: Callable[[], Iterable[Keys]], number: int) -> LowestKeys:
    """Find the ``number`` lowest of keys that are too many for the memory.

    The limit is found digit by digit (radix selection): one pass counts the upper 16 bits of all
    keys, the next the lower 16 bits of those keys that share the limit's upper bits.

    Args:
        passes: Starts a pass over all keys, part by part.
        number: At most the number of keys.
    """
    digits = 1 << 16
    counts = np.zeros(digits, dtype=np.int64)
    for keys in passes():
        counts += np.bincount(keys >> 16, minlength=digits)
    upper, below = _place(counts, number)
    counts[:] = 0
    for keys in passes():
        counts += np.bincount(keys[keys >> 16 == upper] & (digits - 1), minlength=digits)
    lower, lower_below = _place(counts, number - below)
    return LowestKeys(upper * digits + lower, number - below - lower_below)


def _place(counts: npt.NDArray[np.int64], number: int) -> tuple[int, int]:
    """Return the digit that holds the number-th entry (from 1), and how many lie below it."""
    ends = np.cumsum(counts)
    digit = min(int(np.searchsorted(ends, number)), len(counts) - 1)
    return digit, int(ends[digit] - counts[digit])
