"""Finding and fetching a few entries of large matrices.

On a CPU NumPy compares and selects several times as fast as torch does, and finds what is true.
"""

import numpy as np
import torch


def reaching(values: torch.Tensor, bound: torch.Tensor) -> torch.Tensor:
    """Return which values are at least the bound, bool; the bound is broadcast."""
    if values.is_cuda:
        return values >= bound
    return torch.from_numpy(np.greater_equal(values.numpy(), bound.numpy()))


def places(mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows and columns of the true entries of a matrix, int64, row by row."""
    if mask.is_cuda:
        row, column = torch.nonzero(mask, as_tuple=True)
        return row, column
    flat = torch.from_numpy(np.flatnonzero(mask.numpy()))
    return flat // mask.shape[1], flat % mask.shape[1]


def count(mask: torch.Tensor) -> int:
    """Return how many entries are true."""
    return int(mask.sum()) if mask.is_cuda else int(np.count_nonzero(mask.numpy()))


def kth_largest(values: torch.Tensor, k: int) -> torch.Tensor:
    """Return (rows,): the k-th largest value of each row."""
    if values.is_cuda:
        return values.topk(k, dim=1).values[:, -1]
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
    place = first + step * torch.arange(number, device=first.device)[:, None]
    if matrix.is_cuda:
        return matrix.take(place)
    return torch.from_numpy(np.take(matrix.numpy(), place.numpy()))
