"""All test sets as one matrix on the device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gapmatch.data.embedding_files import source_name
from gapmatch.similarity.candidates import Rows
from gapmatch.similarity.engine import TestVectors
from gapmatch.similarity.gpu.operands import Operand, operand
from gapmatch.similarity.gpu.products import Products
from gapmatch.similarity.normalising import bad_rows_error


@dataclass(frozen=True)
class Queries:
    """The images of all test sets, each test set in whole groups.

    A group that a test set does not fill holds copies of its first image: they change no largest
    score. Their limits let none of them win.

    Attributes:
        vectors: (n, dim) for products.
        limits: (decisions, n), float32: 0, which decides on the nearest, and for each rank the
            thresholds. A rank that a test set does not have never decides.
        thresholds: (ranks, n), float64.
        row: (n,), int64: the image's row in its test set; of copies, that of the first.
        real: (n,), bool: False for copies.
        test_set: (groups,), int64: the test set of each group.
        ends: Groups up to the end of each test set.
        group: Images of a group.
        ranks: Ranks of each test set.
    """

    vectors: Operand
    limits: torch.Tensor
    thresholds: torch.Tensor
    row: torch.Tensor
    real: torch.Tensor
    test_set: torch.Tensor
    ends: list[int]
    group: int
    ranks: list[int]

    def part(self, number: int) -> slice:
        """Return the places of a test set, copies included."""
        first = self.ends[number - 1] if number else 0
        return slice(first * self.group, self.ends[number] * self.group)

    def images(self, number: int) -> torch.Tensor:
        """Return the places of the images of a test set, in their order, int64."""
        part = self.part(number)
        return torch.nonzero(self.real[part])[:, 0].add(part.start)


def queries(
    test_sets: Sequence[TestVectors], group: int, products: Products, device: torch.device
) -> Queries:
    """Upload all test sets.

    Raises:
        InputError: A vector is not finite or not of length 1.
    """
    sizes = [len(one.vectors) for one in test_sets]
    groups = [-(-size // group) for size in sizes]
    rows = [np.arange(number * group) for number in groups]
    rows = [np.where(row < size, row, 0) for row, size in zip(rows, sizes, strict=True)]
    ranks = [len(one.thresholds) for one in test_sets]
    thresholds = np.full((max(ranks), group * sum(groups)), np.inf)
    ends = np.cumsum(groups)
    for one, row, end in zip(test_sets, rows, ends * group, strict=True):
        thresholds[: len(one.thresholds), end - len(row) : end] = one.thresholds[:, row]
    copies = np.concatenate(
        [np.arange(number * group) >= size for number, size in zip(groups, sizes, strict=True)]
    )
    limits = np.concatenate([np.zeros((1, thresholds.shape[1])), thresholds])
    limits[:, copies] = np.inf
    stored = np.concatenate(
        [np.asarray(one.vectors)[row] for one, row in zip(test_sets, rows, strict=True)]
    )
    vectors = operand(torch.from_numpy(stored).to(device), products)
    _require_good(vectors, test_sets, np.concatenate([[0], ends * group]))
    row = np.concatenate(rows)
    return Queries(
        vectors,
        torch.from_numpy(limits.astype(np.float32)).to(device),
        torch.from_numpy(thresholds).to(device),
        torch.from_numpy(row).to(device),
        torch.from_numpy(~copies).to(device),
        torch.from_numpy(np.repeat(np.arange(len(groups)), groups)).to(device),
        ends.tolist(),
        group,
        ranks,
    )


def _require_good(
    vectors: Operand,
    test_sets: Sequence[TestVectors],
    starts: Rows,
) -> None:
    bad, place, length = vectors.bad.tolist()
    if bad:
        number = int(np.searchsorted(starts, place, side="right")) - 1
        name = source_name(test_sets[number].vectors)
        raise bad_rows_error(name, int(place - starts[number]), length, int(bad))
