"""Vectors on the device: as stored, as they are multiplied, and how far the two are apart."""

from dataclasses import dataclass

import torch

from gapmatch.data.embedding_files import NORM_TOLERANCE
from gapmatch.similarity.gpu.products import Products

BYTES_AT_ONCE = 2**26
"""Of the float32 numbers that are in memory beside the vectors while they are prepared."""


@dataclass(frozen=True)
class Operand:
    """Vectors that take part in products.

    Attributes:
        stored: (rows, dim), float16 or float32.
        half: (rows, dim), float16: what is multiplied.
        squares: (rows,), float64: squares of the lengths as stored.
        error: (), float32: bound on the distance of any of ``half`` from its stored vector divided
            by its length.
        bad: (3,), float64: how many vectors are not finite or not of length 1 (within
            ``NORM_TOLERANCE``), the first of them, and its length.
    """

    stored: torch.Tensor
    half: torch.Tensor
    squares: torch.Tensor
    error: torch.Tensor
    bad: torch.Tensor


def operand(stored: torch.Tensor, products: Products) -> Operand:
    """Prepare vectors (rows, dim), float16 or float32, for products.

    A vector whose stored length is off by less than rounding it anew would move it is multiplied
    as stored; then the only error is that of its length.
    """
    rows, dim = stored.shape
    squares = torch.empty(rows, dtype=torch.float64, device=stored.device)
    half = torch.empty(rows, dim, dtype=torch.float16, device=stored.device)
    errors = torch.empty(rows, device=stored.device)
    step = max(1, BYTES_AT_ONCE // (4 * dim))
    for start in range(0, rows, step):
        part = slice(start, start + step)
        place = torch.arange(start, min(start + step, rows), device=stored.device)
        squares[part] = products.dots(stored, place, stored, place)
        length = squares[part].sqrt().float()
        unit = stored[part] / length[:, None]  # float32
        half[part] = unit
        errors[part] = torch.linalg.vector_norm(unit.sub_(half[part]), dim=1)
        if stored.dtype == torch.float16:
            off = (length - 1.0).abs()
            half[part] = torch.where((off < errors[part])[:, None], stored[part], half[part])
            errors[part] = torch.minimum(off, errors[part])
    return Operand(stored, half, squares, _bound(errors, dim), _bad(squares))


def _bound(errors: torch.Tensor, dim: int) -> torch.Tensor:
    """Return the largest of the errors, and what computing them in float32 may have hidden."""
    # Rounded: the length and the quotient, by 2^-24 each; the sum of the squared distances.
    return errors.amax() * (1 + dim * 2.0**-23) + 2.0**-22


def _bad(squares: torch.Tensor) -> torch.Tensor:
    lengths = squares.sqrt()
    # NaN and infinity propagate into the length, so one comparison finds every bad row.
    bad = ~((lengths - 1.0).abs() <= NORM_TOLERANCE)
    first = bad.int().argmax()
    return torch.stack([bad.sum().double(), first.double(), lengths.gather(0, first[None])[0]])
