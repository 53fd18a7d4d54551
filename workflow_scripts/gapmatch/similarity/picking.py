"""Finding and fetching a few entries of large matrices on a CPU.

NumPy compares and selects several times as fast as torch does, and finds what is true.
"""

import numpy as np
import torch


def reaching(values: torch.Tensor, bound: torch.Tensor) -> torch.Tensor:
    """Return which values are at least the bound, bool; the bound is broadcast."""
    return torch.from_numpy(np.greater_equal(values.numpy(), bound.numpy()))


def places(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows and columns of the true entries of a matrix, int64, row by row."""
    flat = torch.from_numpy(np.flatnonzero(mask.numpy()))
    return flat // mask.shape[1], flat % mask.shape[1]


def count(mask: torch.Tensor) -> int:
    """Return how many entries are true."""
    return int(np.count_nonzero(mask.numpy()))


def kth_largest(values: torch.Tensor, k: int) -> torch.Tensor:
    """Return (rows,): the k-th largest value of each row."""
    place = values.shape[1] - k
    return torch.from_numpy(np.partition(values.numpy(), place, axis=1)[:, place])


def evenly_spaced(
    matrix: torch.Tensor, first: torch.Tensor, step: int, number: int
) -> torch.Tensor:
    """Fetch entries at equal distances, counted row by row.

    Args:
        matrix: (rows, columns), contiguous.
        first: (n,), int64: the place of the first entry of each sequence.
        step: Distance from one entry to the next.
        number: Entries of a sequence.

    Returns:
        (number, n).
    """
    place = first + step * torch.arange(number)[:, None]
    return torch.from_numpy(np.take(matrix.numpy(), place.numpy()))
