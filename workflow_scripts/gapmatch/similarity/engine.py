"""What a search engine answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from gapmatch.data.embedding_files import Float32, Float64, Stored


@dataclass(frozen=True)
class TestVectors:
    """The images of a test set, or any other vectors that a dataset is compared to.

    Attributes:
        vectors: (n, dim) as stored, n > 0.
        thresholds: (ranks, n), float64: s_i^(K)(R) for each rank K; no rank is allowed.
    """

    __test__ = False  # not a test of pytest's

    vectors: Stored
    thresholds: Float64


def plain(vectors: Stored) -> TestVectors:
    """Return vectors as a test set without thresholds."""
    return TestVectors(vectors, np.empty((0, len(vectors))))


@dataclass(frozen=True)
class PoolMargins:
    """What decides whether a pool sample is kept, for one test set.

    Attributes:
        nearest_similarity: (rows,), float32: max over i of s(t_i, p).
        nearest_test_row: (rows,), int32: the i that attains it, the lowest among equal ones.
        margins: (ranks, rows), float32: m_K(p) = max over i of s(t_i, p) - s_i^(K)(R). A sample
            is pruned iff its margin exceeds the offset. Computed in float64 and rounded to
            float32, which keeps the sign and leaves an exact 0 exact.
    """

    nearest_similarity: Float32
    nearest_test_row: npt.NDArray[np.int32]
    margins: Float32


Receive: TypeAlias = Callable[[int, int, PoolMargins], None]
"""Takes the margins of a block: place of the test set, first row of the block, margins. Blocks
come in ascending order, and for each block the test sets in theirs."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows of one dataset for every query, nearest first, equal ones by row.

    Attributes:
        similarity: (queries, k), float64.
        row: (queries, k), int32; k is smaller than asked where the dataset has fewer rows.
    """

    similarity: Float64
    row: npt.NDArray[np.int32]


class Engine(Protocol):
    """Answers both questions of the study exactly, with bounded memory."""

    def search(
        self, base: Stored, test_sets: Sequence[TestVectors], k: int, receive: Receive | None
    ) -> list[Neighbours]:
        """Compare every row of a dataset to every image of the test sets.

        Args:
            base: (rows, dim) as stored; may be a memory map, may be empty.
            test_sets: What to compare to.
            k: Nearest rows wanted for every test image; 0 for none.
            receive: Takes the margins of all rows, block by block; None leaves them out.

        Returns:
            The nearest rows, for every test set.

        Raises:
            InputError: A vector is not finite or not of length 1, or dimensions differ.
        """
        ...


def find_neighbours(engine: Engine, queries: Stored, base: Stored, k: int) -> Neighbours:
    """Return the ``k`` >= 1 nearest rows of ``base`` for every query (see ``Engine.search``)."""
    return engine.search(base, [plain(queries)], k, None)[0]


def find_margins(engine: Engine, pool: Stored, tests: TestVectors) -> PoolMargins:
    """Return the margins of a whole pool in memory (see ``Engine.search``)."""
    result = empty_margins(len(tests.thresholds), len(pool))

    def receive(_: int, start: int, block: PoolMargins) -> None:
        part = slice(start, start + len(block.nearest_similarity))
        result.nearest_similarity[part] = block.nearest_similarity
        result.nearest_test_row[part] = block.nearest_test_row
        result.margins[:, part] = block.margins

    engine.search(pool, [tests], 0, receive)
    return result


def empty_margins(ranks: int, rows: int) -> PoolMargins:
    """Return margins to be filled in."""
    return PoolMargins(
        np.empty(rows, np.float32), np.empty(rows, np.int32), np.empty((ranks, rows), np.float32)
    )
