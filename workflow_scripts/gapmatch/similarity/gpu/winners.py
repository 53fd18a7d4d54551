"""The decisions on the rows of a block, by exact similarities, on the device.

Square root and quotient of float64 numbers are rounded correctly on GPUs as they are by NumPy, so
these are the numbers of ``exact.pair_similarity``, bit for bit; ``make test-gpu`` compares them.
"""

import torch

from gapmatch.similarity.gpu.operands import Operand
from gapmatch.similarity.gpu.products import Products
from gapmatch.similarity.gpu.queries import Queries

NOBODY = 2**31 - 1


def similarities(
    products: Products, left: Operand, i: torch.Tensor, right: Operand, j: torch.Tensor
) -> torch.Tensor:
    """Return (pairs,), float64: the cosines of ``left[i]`` and ``right[j]``, at most 1."""
    dots = products.dots(left.stored, i, right.stored, j)
    return (dots / (left.squares[i] * right.squares[j]).sqrt()).clamp_(max=1.0)


class Winners:
    """What decides on each row of a block, for every test set.

    Attributes:
        similarity: (test sets, rows), float64: the largest similarity.
        row: (test sets, rows), int64: the test image that attains it, the lowest among equal ones.
        margins: (ranks, test sets, rows), float64.
    """

    def __init__(self, queries: Queries, rows: int) -> None:
        """Start with no winners."""
        self._queries = queries
        sets, ranks = len(queries.ends), len(queries.thresholds)
        thresholds = queries.thresholds
        self.similarity = thresholds.new_full((sets, rows), -torch.inf)
        self.row = queries.row.new_full((sets, rows), NOBODY)
        self.margins = thresholds.new_full((ranks, sets, rows), -torch.inf)

    def add(self, tests: torch.Tensor, columns: torch.Tensor, similarity: torch.Tensor) -> None:
        """Take in pairs: places in the queries, rows of the block, exact similarities."""
        queries = self._queries
        place = queries.test_set[tests // queries.group] * self.row.shape[1] + columns
        best, row = self.similarity.view(-1), self.row.view(-1)
        before = best.clone()
        best.scatter_reduce_(0, place, similarity, "amax")
        row.masked_fill_(best > before, NOBODY)
        winner = queries.row[tests].masked_fill(similarity != best[place], NOBODY)
        row.scatter_reduce_(0, place, winner, "amin")
        for margins, limits in zip(self.margins, queries.thresholds, strict=True):
            margins.view(-1).scatter_reduce_(0, place, similarity - limits[tests], "amax")
