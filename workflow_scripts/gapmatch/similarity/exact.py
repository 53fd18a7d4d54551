"""Similarities in float64, and the choice among pairs that float32 cannot tell apart.

Embeddings are stored as float16. A product of two such numbers is a multiple of 2^-48, and for
vectors of length about 1 every partial sum of such products is below 2^5: float64 (53 bits) holds
it without rounding. The dot product of two stored vectors is hence exact in float64 whatever the
order of summation, and bitwise equal pairs of vectors have bitwise equal similarities.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from gapmatch.embedding_files import Stored

Float64 = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer[Any]]

PRODUCT_ERROR = 2e-6
"""Bound on |float32 product - float64 similarity| of two vectors of length 1.

Rounding the vectors costs below 1e-7; summing 640 to 2,048 products in blocks, as every matrix
library does, some 1e-7 to 5e-7.
"""

PAIRS_AT_ONCE = 8192
"""Pairs whose vectors are held in float64 at one time (80 MB for 640 dimensions)."""


def exact_similarity(x: Stored, y: Stored) -> Float64:
    """Return s(x_i, y_i), the cosine of stored vectors, row by row in float64.

    Args:
        x: (n, dim), float16 or float32, of any positive length.
        y: (n, dim), likewise.

    Returns:
        (n,), float64, at most 1. Exactly 1 where ``x_i`` and ``y_i`` are bitwise equal.
    """
    first = np.asarray(x, dtype=np.float64)
    second = np.asarray(y, dtype=np.float64)
    # Sums along the rows of C-ordered arrays: for float32 input the order of summation matters,
    # and this one does not depend on where in the array a row stands.
    dot = (first * second).sum(axis=1)
    squares = (first * first).sum(axis=1) * (second * second).sum(axis=1)
    similarity: Float64 = np.minimum(dot / np.sqrt(squares), 1.0)
    return similarity


def pair_similarity(
    left: Stored, left_rows: Integers, right: Stored, right_rows: Integers
) -> Float64:
    """Return the float64 similarities of the pairs ``(left[left_rows], right[right_rows])``.

    Args:
        left: (n, dim), may be a memory map.
        left_rows: (pairs,), rows of ``left``.
        right: (m, dim), may be a memory map.
        right_rows: (pairs,), rows of ``right``.

    Returns:
        (pairs,), float64.
    """
    similarity = np.empty(len(left_rows), dtype=np.float64)
    for start in range(0, len(left_rows), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        similarity[part] = exact_similarity(left[left_rows[part]], right[right_rows[part]])
    return similarity


def best_per_group(
    groups: Integers, rows: Integers, values: Float64
) -> tuple[Integers, Integers, Float64]:
    """Return for each group its entry of the largest value; the lowest row among equal ones.

    Args:
        groups: (n,), any integers.
        rows: (n,), what decides among equal values.
        values: (n,), float64.

    Returns:
        The groups that occur, ascending; the winning row and value of each.
    """
    order = np.lexsort((rows, -values, groups))
    present, first = np.unique(groups[order], return_index=True)
    winners = order[first]
    return present, rows[winners], values[winners]
