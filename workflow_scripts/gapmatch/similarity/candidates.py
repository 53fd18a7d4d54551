"""Collecting, tile by tile, the pairs that may be the best of their column or query."""

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from gapmatch.embedding_files import Stored
from gapmatch.similarity.engine import PoolMargins
from gapmatch.similarity.exact import (
    PRODUCT_ERROR,
    Float64,
    Integers,
    best_per_group,
    pair_similarity,
)

Rows: TypeAlias = npt.NDArray[np.int64]


class ColumnWinners:
    """The pairs (row, column) that may hold the largest exact score of their column.

    Tiles of float32 scores (rows, columns) are added one after the other. A pair is a candidate
    when its score is within twice ``PRODUCT_ERROR`` of the column's largest: no other pair can be
    the exact winner.
    """

    def __init__(self, columns: int, device: torch.device | str, floor: float = -torch.inf) -> None:
        """Start with no pairs.

        Args:
            columns: Number of columns of every tile.
            device: Where the tiles are.
            floor: Exact scores below this are of no interest.
        """
        self._best = torch.full((columns,), floor + PRODUCT_ERROR, device=device)
        self._found: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []

    def add(self, scores: torch.Tensor, first_row: int) -> None:
        """Take in a tile (rows, columns) whose row 0 is ``first_row`` of all rows."""
        torch.maximum(self._best, scores.amax(dim=0), out=self._best)
        rows, columns = torch.nonzero(scores >= self._best - 2 * PRODUCT_ERROR, as_tuple=True)
        self._found.append((rows + first_row, columns, scores[rows, columns]))

    def pairs(self) -> tuple[Rows, Rows]:
        """Return rows and columns of the candidates over all tiles."""
        if not self._found:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        rows, columns, scores = (torch.cat(parts) for parts in zip(*self._found, strict=True))
        near = scores >= self._best[columns] - 2 * PRODUCT_ERROR
        return rows[near].cpu().numpy(), columns[near].cpu().numpy()


class RunningNeighbours:
    """The k nearest rows seen so far for every query, by exact similarity and then by row."""

    def __init__(self, queries: int, k: int) -> None:
        """Start with no neighbours; places not filled yet hold similarity -inf."""
        self.similarity: Float64 = np.full((queries, k), -np.inf)
        self.row: Rows = np.full((queries, k), np.iinfo(np.int64).max)

    def floor(self) -> Float64:
        """Return (queries,): a new row must reach this exact similarity to be of interest."""
        floor: Float64 = self.similarity[:, -1]
        return floor

    def add(self, queries: Integers, rows: Integers, similarity: Float64) -> None:
        """Take in pairs (query, row) with their exact similarities; each row at most once."""
        k = self.similarity.shape[1]
        touched = np.unique(queries)
        group = np.concatenate([queries, np.repeat(touched, k)])
        row = np.concatenate([rows, self.row[touched].ravel()])
        value = np.concatenate([similarity, self.similarity[touched].ravel()])
        order = np.lexsort((row, -value, group))
        position = np.arange(len(order)) - np.searchsorted(group[order], group[order])
        first = order[position < k]
        self.row[touched] = row[first].reshape(-1, k)
        self.similarity[touched] = value[first].reshape(-1, k)


def cutoff(floor: npt.NDArray[np.floating[Any]], kth_score: npt.NDArray[Any]) -> Float64:
    """Return the float32 score below which a pair cannot be among the k best.

    Args:
        floor: (n,), exact similarity that k earlier rows reach (-inf if there are none).
        kth_score: (n,), k-th largest float32 score among the rows at hand.
    """
    bound: Float64 = np.maximum(floor - PRODUCT_ERROR, kth_score - 2 * PRODUCT_ERROR)
    return bound


def choose_winners(
    result: PoolMargins,
    start: int,
    block: Stored,
    tests: Stored,
    thresholds: Float64,
    candidates: Sequence[tuple[Rows, Rows]],
) -> None:
    """Choose among the candidates for a block of the pool in float64, and fill in its results.

    Args:
        result: Receives the results, from row ``start`` on.
        start: Pool row of ``block[0]``.
        block: (b, dim) as stored.
        tests: (n, dim) as stored.
        thresholds: (ranks, n), float64.
        candidates: Pairs (test row, block row): those for the nearest test image, then those for
            the margin of each rank. Each holds at least one pair for every block row.
    """
    keys = [columns * len(tests) + rows for rows, columns in candidates]
    # The pair that wins the similarity mostly wins the margins too: compute each pair once.
    distinct = np.unique(np.concatenate(keys))
    similarity = pair_similarity(tests, distinct % len(tests), block, distinct // len(tests))
    values = [similarity[np.searchsorted(distinct, key)] for key in keys]
    part = slice(start, start + len(block))
    (rows, columns), nearest = candidates[0], values[0]
    _, winner, best = best_per_group(columns, rows, nearest)
    result.nearest_test_row[part] = winner
    result.nearest_similarity[part] = best
    for rank, threshold in enumerate(thresholds):
        rows, columns = candidates[rank + 1]
        margin = values[rank + 1] - threshold[rows]
        result.margins[rank, part] = best_per_group(columns, rows, margin)[2]
