"""Stored vectors as float32 tensors of length 1, checked on the way."""

from collections.abc import Iterator

import numpy as np
import torch

from gapmatch.data.embedding_files import NORM_TOLERANCE, Stored, source_name
from gapmatch.running.errors import InputError


def normalised(stored: Stored, first_row: int = 0, source: str | None = None) -> torch.Tensor:
    """Return vectors as float32 of length 1, after checking that they were about that before.

    Args:
        stored: (rows, dim), float16 or float32.
        first_row: Row of the file that ``stored[0]`` is, for the error message.
        source: Name of the file for the error message; by default that behind ``stored``.

    Returns:
        (rows, dim), float32.

    Raises:
        InputError: A vector holds NaN or infinity, or its length is not within
            ``NORM_TOLERANCE`` of 1.
    """
    # A copy: what is mapped from a file may not be written to, and torch wants to.
    vectors = torch.from_numpy(np.array(stored, order="C")).float()
    norms = torch.linalg.vector_norm(vectors, dim=1)
    vectors /= norms[:, None]
    # NaN and infinity propagate into the norm, so one comparison finds every bad row.
    bad = torch.nonzero(~((norms - 1.0).abs() <= NORM_TOLERANCE))[:, 0]
    if len(bad):
        row = int(bad[0])
        name = source or source_name(stored)
        raise bad_rows_error(name, first_row + row, float(norms[row]), len(bad))
    return vectors


def bad_rows_error(source: str, row: int, length: float, number: int) -> InputError:
    """Return the error that names the first of some vectors that are not of length 1."""
    found = f"length {length:.4g}" if np.isfinite(length) else "NaN or infinity"
    return InputError(
        f"{source}: row {row} has {found}; expected finite vectors of length 1 (within "
        f"{NORM_TOLERANCE}); {number} such rows in this block."
    )


def normalised_blocks(stored: Stored, rows_per_block: int) -> Iterator[tuple[int, torch.Tensor]]:
    """Yield ``(first row, block)`` over all rows; blocks are float32 (at most n, dim), length 1.

    Raises:
        InputError: As ``normalised``, naming the file and the row.
    """
    name = source_name(stored)
    for start in range(0, len(stored), rows_per_block):
        yield start, normalised(stored[start : start + rows_per_block], start, name)
