"""What a search engine answers, and the engines by name."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from gapmatch.embedding_files import Float32, Float64, Stored

logger = logging.getLogger(__name__)

ENGINES = ("auto", "fused", "faiss")
DEVICES = ("auto", "cpu", "cuda")

FASTEST = {"cpu": "fused", "cuda": "fused"}
"""The engine that "auto" takes on each device: the faster one in docs/performance.md; on a GPU by
analogy, not measured."""


@dataclass(frozen=True)
class TestSet:
    """The images of a test set, or any other vectors that a dataset is compared to.

    Attributes:
        vectors: (n, dim) as stored, n > 0.
        thresholds: (ranks, n), float64: s_i^(K)(R) for each rank K; no rank is allowed.
    """

    __test__ = False  # not a test of pytest's

    vectors: Stored
    thresholds: Float64


def plain(vectors: Stored) -> TestSet:
    """Return vectors as a test set without thresholds."""
    return TestSet(vectors, np.empty((0, len(vectors))))


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
        self, base: Stored, test_sets: Sequence[TestSet], k: int, receive: Receive | None
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


def find_margins(engine: Engine, pool: Stored, tests: TestSet) -> PoolMargins:
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


def make_engine(
    name: str, device: str, threads: int, max_memory_mb: int, block_rows: int | None = None
) -> Engine:
    """Return the engine called ``name`` for a device.

    Args:
        name: One of ``ENGINES``; "auto" is the faster one on the device.
        device: One of ``DEVICES``; "auto" is "cuda" where there is a GPU, else "cpu".
        threads: CPU threads to compute with.
        max_memory_mb: Memory of the process that blocks are chosen for, in MiB; "faiss" takes
            blocks of a fixed size.
        block_rows: Rows of the dataset per product; None chooses.

    Raises:
        InputError: The device is not there, or the engine cannot use it.
    """
    # Imported here so that the names can be listed without waiting for torch and FAISS.
    from gapmatch.weights import choose_device

    place = choose_device(device).type
    chosen = FASTEST[place] if name == "auto" else name
    said = "similarity engine %s (asked: %s) on %s (asked: %s)"
    if chosen == "faiss":
        # FAISS reports each instruction set that it tries, even those it does not ship.
        logging.getLogger("faiss").setLevel(logging.WARNING)
        from gapmatch.similarity.faiss_engine import FaissEngine, computes_on_gpu

        if device == "auto" and not computes_on_gpu():
            place = "cpu"
        logger.info(said, chosen, name, place, device)
        return FaissEngine(place, threads, block_rows)
    from gapmatch.similarity.fused import FusedEngine

    logger.info(said, chosen, name, place, device)
    return FusedEngine(place, threads, max_memory_mb, block_rows)
