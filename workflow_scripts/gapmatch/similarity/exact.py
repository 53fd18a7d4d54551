"""Similarities in float64, and the choice among pairs that a fast product cannot tell apart.

Embeddings are stored as float16. A product of two such numbers has 22 bits, which float32 holds,
and is a multiple of 2^-48; for vectors of length about 1 every partial sum of such products is
below 2^5, which float64 (53 bits) holds without rounding. The dot product of two stored vectors is
hence exact whatever the order of summation, and bitwise equal pairs of vectors have bitwise equal
similarities. Vectors stored as float32 are multiplied in float64 and summed in one fixed order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gapmatch.data.embedding_files import Float64, Stored

Integers = npt.NDArray[np.integer[Any]]

PAIRS_AT_ONCE = 512
"""Pairs worked on at one time: their vectors stay in the processor's cache."""


@dataclass(frozen=True)
class Vectors:
    """Vectors of any positive length, and the squares of their lengths if they are known.

    Attributes:
        stored: (n, dim), float16 or float32; may be a memory map.
        squares: (n,), float64; None where few of the vectors will be asked for.
    """

    stored: Stored
    squares: Float64 | None = None


def with_squares(stored: Stored) -> Vectors:
    """Return vectors with the squares of their lengths."""
    return Vectors(stored, squared_lengths(stored, np.empty(len(stored))))


def squared_lengths(stored: Stored, out: Float64) -> Float64:
    """Write the squares of the lengths of vectors (n, dim), read from front to back, to ``out``."""
    for start in range(0, len(stored), PAIRS_AT_ONCE):
        part = np.array(stored[start : start + PAIRS_AT_ONCE])
        out[start : start + PAIRS_AT_ONCE] = _dot(part, part)
    return out


def pair_similarity(
    left: Vectors, left_rows: Integers, right: Vectors, right_rows: Integers
) -> Float64:
    """Return the cosines of the pairs ``(left.stored[left_rows], right.stored[right_rows])``.

    Args:
        left: n vectors.
        left_rows: (pairs,), rows of ``left``.
        right: m vectors.
        right_rows: (pairs,), rows of ``right``.

    Returns:
        (pairs,), float64, at most 1. Exactly 1 where two vectors are bitwise equal.
    """
    similarity = np.empty(len(left_rows), dtype=np.float64)
    for start in range(0, len(left_rows), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        first, first_square = _take(left, left_rows[part])
        second, second_square = _take(right, right_rows[part])
        cosine = _dot(first, second) / np.sqrt(first_square * second_square)
        similarity[part] = np.minimum(cosine, 1.0)
    return similarity


def _take(vectors: Vectors, rows: Integers) -> tuple[Stored, Float64]:
    """Return a copy of some vectors, and the squares of their lengths."""
    taken = vectors.stored[rows]
    return taken, _dot(taken, taken) if vectors.squares is None else vectors.squares[rows]


def _dot(x: Stored, y: Stored) -> Float64:
    """Return (n,), float64: the dot products of vectors (n, dim), row by row."""
    dot: Float64 = row_dots(torch.from_numpy(x), torch.from_numpy(y)).numpy()
    return dot


def row_dots(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return the dot products of vectors (n, dim), row by row: the same bits on every device.

    Args:
        x: (n, dim), float16 or float32.
        y: (n, dim), likewise.

    Returns:
        (n,), float64.
    """
    if x.dtype == torch.float16 and y.dtype == torch.float16:
        return (x.float() * y.float()).sum(dim=1, dtype=torch.float64)  # exact in any order
    products = x.double() * y.double()
    width = products.shape[1]
    # Halves are added, again and again: torch's own sum has an order that depends on the device.
    while width > 1:
        half = (width + 1) // 2
        products[:, : width - half] += products[:, half:width]
        width = half
    return products[:, 0]
