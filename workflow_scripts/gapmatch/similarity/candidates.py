"""Collecting, tile by tile, the pairs that may win a column or be among the best of a row.

A tile is a matrix of scores (queries x samples). Reading it twice, to take the largest score of
every group of rows and of every group of columns, costs little beside the product that made it;
all else looks at the few groups that reach a decision. The product leaves neither code nor data of
anything else in the caches, so what can wait is done for all tiles of a block together.
"""

import threading
from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import pad

from gapmatch.similarity.picking import count, evenly_spaced, kth_largest, places, reaching

Rows: TypeAlias = npt.NDArray[np.int64]

ROWS_PER_GROUP = 16
COLUMNS_PER_GROUP = 16
"""At most: fewer where many neighbours are wanted."""

GROUPS_PER_NEIGHBOUR = 4
"""Groups of a tile, at least, for each neighbour wanted: the k-th best of them is a good bound."""

CROWD = 2
"""Groups per wanted neighbour above which a tile's own k-th best score is taken as a bound."""


def _in_two(length: int, size: int) -> Iterator[tuple[int, int, int]]:
    """Cut a length into groups of ``size`` and one of what is left.

    Yields:
        Start and length of a part, and the size of its groups.
    """
    whole = length - length % size
    if whole:
        yield 0, whole, size
    if whole < length:
        yield whole, length - whole, length - whole


class ColumnCandidates:
    """The pairs (row, column) that may win their column in one of several decisions.

    A decision takes a limit from each row's scores, and the largest of what is left wins the
    column. A pair is a candidate when in some decision it is within twice the error of the best of
    its column: no other pair can win. Tiles may have any rows, each row in one of them; all have
    the same columns.

    A tile is read once for all decisions, for the largest score of every group of rows. In a
    group, no row has more left than that score less the group's lowest limit, and one row has at
    least that score less the highest. Rows with limits alike should therefore be neighbours
    (``grouping``).
    """

    def __init__(
        self, columns: int, limits: torch.Tensor, error: float, floor: float = -torch.inf
    ) -> None:
        """Start with no pairs.

        Args:
            columns: Number of columns of every tile.
            limits: (decisions, rows of all tiles), float32.
            error: Bound on |score - similarity|, and on the same less limit.
            floor: What is left up to this is of no interest.
        """
        self._slack = 2 * error
        # Beyond the last row are those that fill up a group; their scores are -inf.
        self._limits = pad(limits, (0, ROWS_PER_GROUP))
        self._best = limits.new_full((len(limits), columns), floor + error)
        self._found: list[tuple[torch.Tensor, ...]] = []

    def add(self, scores: torch.Tensor, first_row: int) -> None:
        """Take in a tile (rows, columns) whose row 0 is ``first_row`` of all rows."""
        width = scores.shape[1]
        for start, length, size in _in_two(len(scores), ROWS_PER_GROUP):
            groups = torch.unflatten(scores.narrow(0, start, length), 0, (-1, size))
            limits = self._limits.narrow(1, first_row + start, length)
            lowest, highest = torch.unflatten(limits, 1, (-1, size)).aminmax(dim=2)
            group, column = places(self._reaching(groups.amax(dim=1), lowest, highest))
            row = start + group * size
            members = evenly_spaced(scores, row * width + column, width, size)
            members = pad(members, (0, 0, 0, ROWS_PER_GROUP - size), value=-torch.inf)
            self._found.append((row + first_row, column, members, lowest[:, group]))

    def _reaching(
        self, peaks: torch.Tensor, lowest: torch.Tensor, highest: torch.Tensor
    ) -> torch.Tensor:
        """Return which groups may hold a candidate, after raising what must be reached.

        Args:
            peaks: (groups, columns), the largest scores.
            lowest: (decisions, groups), limits.
            highest: (decisions, groups), limits.

        Returns:
            (groups, columns), bool.
        """
        found = torch.zeros_like(peaks, dtype=torch.bool)
        for best, low, high in zip(self._best, lowest, highest, strict=True):
            torch.maximum(best, (peaks - high[:, None]).amax(dim=0), out=best)
            found |= reaching(peaks - low[:, None], best - self._slack)
        return found

    def pairs(self) -> tuple[Rows, Rows]:
        """Return rows and columns of the candidates over all tiles, each pair once."""
        if not self._found:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        row, column, members, lowest = (
            torch.cat(parts, dim=-1) for parts in zip(*self._found, strict=True)
        )
        # Most groups have lost to a later one.
        near = self._near(members.amax(dim=0) - lowest, column)
        row, column, members = row[near], column[near], members[:, near]
        rows = row + torch.arange(ROWS_PER_GROUP)[:, None]
        left = members - self._limits[:, rows]
        self._best.scatter_reduce_(1, column.expand(len(left), -1), left.amax(dim=1), "amax")
        member, place = places(self._near(left, column))
        return rows[member, place].numpy(), column[place].numpy()

    def _near(self, left: torch.Tensor, column: torch.Tensor) -> torch.Tensor:
        """Return where what is left is near the best of its column in some decision.

        Args:
            left: (decisions, ..., n), float32.
            column: (n,), int64.

        Returns:
            (..., n), bool.
        """
        bounds = self._best[:, column] - self._slack
        near = [reaching(one, bound) for one, bound in zip(left, bounds, strict=True)]
        return torch.stack(near).any(dim=0)


class RowCandidates:
    """The pairs (row, column) that may be among the k largest similarities of their row.

    Tiles may be added by several threads, in any order. ``floor`` rises as they come: a
    similarity that at least k pairs of the row are known to reach.
    """

    def __init__(self, rows: int, k: int) -> None:
        """Start with no pairs; ``k`` is at least 1."""
        self._k = k
        self._floor = torch.full((rows,), -torch.inf)
        self._found: list[tuple[torch.Tensor, ...]] = []
        self._new = 0
        self._kept = 0
        self._slack = 0.0
        self._lock = threading.Lock()

    def add(self, scores: torch.Tensor, first_row: int, first_column: int, error: float) -> None:
        """Take in a tile.

        Args:
            scores: (rows, columns).
            first_row: Row 0 of the tile among all rows.
            first_column: Column 0 of the tile among all columns.
            error: Bound on |score - similarity| in this tile.
        """
        width = scores.shape[1]
        size = max(1, min(COLUMNS_PER_GROUP, width // (GROUPS_PER_NEIGHBOUR * self._k)))
        size = 1 << (size.bit_length() - 1)  # of which the usual width is a multiple
        # A group is columns far apart, one from each of ``size`` parts: its largest scores are
        # then those of whole vectors, which is faster than to look for one among neighbours.
        parts = [
            (start, torch.unflatten(scores.narrow(1, start, length), 1, (each, -1)))
            for start, length, each in _in_two(width, size)
        ]
        peaks = [part.amax(dim=1) for _, part in parts]
        bound = self._floor[first_row : first_row + len(scores)] - error
        bound = self._raised(bound, torch.cat(peaks, dim=1), error)
        for (start, part), peak in zip(parts, peaks, strict=True):
            row, group = places(reaching(peak, bound[:, None]))
            step = part.shape[2]
            members = evenly_spaced(scores, row * width + group + start, step, part.shape[1])
            member, pair = places(reaching(members, bound[row]))
            column = member * step + group[pair] + (first_column + start)
            self._take(row[pair] + first_row, column, members[member, pair] - error, 2 * error)

    def _raised(self, bound: torch.Tensor, peaks: torch.Tensor, error: float) -> torch.Tensor:
        """Return the bound, raised to what k groups of this tile reach if that thins out much."""
        groups = peaks.shape[1]
        few = len(bound) * min(CROWD * self._k, groups // CROWD)
        if groups < self._k or count(reaching(peaks, bound[:, None])) <= few:
            return bound
        return torch.maximum(bound, kth_largest(peaks, self._k) - 2 * error)

    def _take(
        self, row: torch.Tensor, column: torch.Tensor, low: torch.Tensor, slack: float
    ) -> None:
        """Keep pairs whose similarity is at least ``low`` and at most ``slack`` more."""
        with self._lock:
            self._found.append((row, column, low))
            self._slack = max(self._slack, slack)
            self._new += len(row)
            # Where low precision keeps many pairs they are not sorted for a few new ones.
            if self._new > max(self._k * len(self._floor), self._kept):
                self._thin_out()

    def _thin_out(self) -> None:
        """Raise the floor to what is known now and drop the pairs below it."""
        row, column, low = (torch.cat(parts) for parts in zip(*self._found, strict=True))
        order = torch.argsort(_by_row_and_descending(row, low))
        present, counts = torch.unique_consecutive(row[order], return_counts=True)
        full = counts >= self._k
        kth = order[(counts.cumsum(0) - counts)[full] + self._k - 1]
        self._floor[present[full]] = torch.maximum(self._floor[present[full]], low[kth])
        near = low + self._slack >= self._floor[row]
        self._found = [(row[near], column[near], low[near])]
        self._new = 0
        self._kept = len(self._found[0][0])

    def pairs(self) -> tuple[Rows, Rows]:
        """Return rows and columns of the candidates over all tiles."""
        if not self._found:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        self._thin_out()
        row, column, _ = self._found[0]
        return row.numpy(), column.numpy()


def _by_row_and_descending(row: torch.Tensor, score: torch.Tensor) -> torch.Tensor:
    """Return integers that sort by row and, within a row, from the largest score down.

    Read as an integer, a positive float32 keeps its order; for a negative one it is turned round.
    """
    bits = score.view(torch.int32)
    ascending = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return row * 2**32 - ascending


class RunningNeighbours:
    """The k nearest rows seen so far for every query, by exact similarity and then by row."""

    def __init__(self, queries: int, k: int) -> None:
        """Start with no neighbours; places not filled yet hold similarity -inf."""
        self.similarity: npt.NDArray[np.float64] = np.full((queries, k), -np.inf)
        self.row: Rows = np.full((queries, k), np.iinfo(np.int64).max)

    def floor(self) -> npt.NDArray[np.float64]:
        """Return (queries,): a new row must reach this exact similarity to be of interest."""
        floor: npt.NDArray[np.float64] = self.similarity[:, -1]
        return floor

    def add(
        self,
        queries: npt.NDArray[np.integer[Any]],
        rows: npt.NDArray[np.integer[Any]],
        similarity: npt.NDArray[np.float64],
    ) -> None:
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
