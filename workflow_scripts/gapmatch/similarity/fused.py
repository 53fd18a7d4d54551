"""The engine on a CPU: both answers from one product.

The product of a tile of tests with a block of the dataset stays in the cache while everything is
taken from it: the largest score of each column and of each margin, and the scores that may be
among the k best of their row. Every thread works on a block of its own, and the next blocks are
read and normalised meanwhile.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Never

import numpy as np
import torch
from tqdm import tqdm

from gapmatch.data.embedding_files import (
    Float64,
    Stored,
    release,
    require_same_dimension,
    source_name,
)
from gapmatch.models.precision import multiply
from gapmatch.similarity.blocks import Blocks, choose_blocks
from gapmatch.similarity.candidates import (
    ROWS_PER_GROUP,
    ColumnCandidates,
    RowCandidates,
    Rows,
    RunningNeighbours,
)
from gapmatch.similarity.engine import Neighbours, PoolMargins, Receive, TestVectors
from gapmatch.similarity.exact import Vectors, pair_similarity, squared_lengths, with_squares
from gapmatch.similarity.grouping import alike_in_groups
from gapmatch.similarity.normalising import normalised
from gapmatch.similarity.screening import Screen, fastest_dtype, score_error, screen
from gapmatch.similarity.winners import choose_winners

AHEAD = 1
"""Blocks that are read ahead of those being multiplied."""

STRIP_COLUMNS = 512
"""Columns of a float32 product: MKL is some percent faster at narrow ones."""

PAIRS_BETWEEN_RELEASES = 4096
"""Pairs after which the pages of the mapped file are given back; each may lie on one of its own."""


@dataclass(frozen=True)
class _Queries:
    """A test set, and what is known of its nearest rows."""

    exact: Vectors
    thresholds: Float64
    screen: Screen
    limits: torch.Tensor
    """(1 + ranks, n), float32: 0, which decides on the nearest, and the thresholds."""
    order: Rows
    """(n,): which test image each row of the product is."""
    rows: RowCandidates | None


@dataclass(frozen=True)
class _Block:
    """Rows of the dataset that are multiplied together."""

    first: int
    stored: Stored
    squares: Float64
    """(rows,), to be filled in."""
    vectors: torch.Tensor
    """(rows, dim), float32."""


class FusedEngine:
    """``engine.Engine`` on a CPU."""

    def __init__(
        self,
        threads: int,
        max_memory_mb: int,
        block_rows: int | None = None,
        tile_rows: int | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        """Choose how to compute; no argument but memory and time depends on it.

        Args:
            threads: CPU threads.
            max_memory_mb: What the process may take, in MiB.
            block_rows: Rows of the dataset per product; None chooses.
            tile_rows: Test images per product; None chooses.
            dtype: Of the product; None takes what is fastest on this machine.
        """
        self._threads = threads
        self._max_memory_mb = max_memory_mb
        self._block_rows = block_rows
        self._tile_rows = tile_rows
        self._dtype = dtype
        self._buffers = threading.local()

    def search(
        self, base: Stored, test_sets: Sequence[TestVectors], k: int, receive: Receive | None
    ) -> list[Neighbours]:
        """See ``engine.Engine.search``."""
        for tests in test_sets:
            require_same_dimension(base, tests.vectors)
        width = min(k, len(base))
        with _one_thread_per_operation():
            dtype = self._dtype or fastest_dtype(base.shape[1])
            queries = [self._queries(tests, dtype, width) for tests in test_sets]
            blocks = self._blocks(base.shape[1], sum(len(tests.vectors) for tests in test_sets), k)
            # The lengths that blocks find are kept: each sample is a neighbour of many.
            squares = np.empty(len(base))
            parts = self._multiply(base, squares, queries, blocks, receive is not None)
            for start, found in parts:
                for place, margins in enumerate(found):
                    if receive:
                        receive(place, start, margins)
            return [_nearest(one, Vectors(base, squares), width) for one in queries]

    def _blocks(self, dim: int, tests: int, k: int) -> Blocks:
        return choose_blocks(
            dim=dim,
            tests=tests,
            neighbours=k,
            workers=self._threads + AHEAD,
            max_memory_mb=self._max_memory_mb,
            block_rows=self._block_rows,
            tile_rows=self._tile_rows,
        )

    def _queries(self, tests: TestVectors, dtype: torch.dtype, k: int) -> _Queries:
        order = alike_in_groups(tests.thresholds, ROWS_PER_GROUP)
        vectors = normalised(tests.vectors)[torch.from_numpy(order)]
        limits = np.zeros((1 + len(tests.thresholds), len(order)), np.float32)
        limits[1:] = tests.thresholds[:, order]
        rows = RowCandidates(len(vectors), k) if k else None
        return _Queries(
            with_squares(tests.vectors),
            tests.thresholds,
            screen(vectors, dtype),
            torch.from_numpy(limits),
            order,
            rows,
        )

    def _multiply(
        self,
        base: Stored,
        squares: Float64,
        queries: Sequence[_Queries],
        blocks: Blocks,
        margins: bool,
    ) -> Iterator[tuple[int, list[PoolMargins]]]:
        """Yield the first row and the margins of every block, ascending; fill in ``squares``."""
        with ThreadPoolExecutor(self._threads) as workers:
            waiting: deque[tuple[int, int, Future[list[PoolMargins]]]] = deque()
            with tqdm(total=len(base), unit="row", unit_scale=True, mininterval=5) as bar:
                for first in range(0, len(base), blocks.block_rows):
                    part = slice(first, first + blocks.block_rows)
                    stored = base[part]
                    vectors = normalised(stored, first, source_name(base))
                    block = _Block(first, stored, squares[part], vectors)
                    work = workers.submit(self._block, block, queries, blocks.tile_rows, margins)
                    waiting.append((first, len(stored), work))
                    if len(waiting) > self._threads + AHEAD - 1:
                        yield self._finished(base, waiting.popleft(), bar)
                while waiting:
                    yield self._finished(base, waiting.popleft(), bar)

    @staticmethod
    def _finished(
        base: Stored, work: tuple[int, int, Future[list[PoolMargins]]], bar: "tqdm[Never]"
    ) -> tuple[int, list[PoolMargins]]:
        """Wait for a block; return its first row and margins."""
        start, rows, done = work
        margins = done.result()
        release(base, start, rows)
        bar.update(rows)
        return start, margins

    def _block(
        self, block: _Block, queries: Sequence[_Queries], tile_rows: int, margins: bool
    ) -> list[PoolMargins]:
        """Multiply one block with all test sets; return its margins if they are wanted."""
        found = []
        rounded = screen(block.vectors, queries[0].screen.vectors.dtype)
        samples = Vectors(block.stored, squared_lengths(block.stored, block.squares))
        for one in queries:
            columns = self._tiles(block.first, rounded, one, tile_rows, margins)
            if margins:
                tests, rows = columns.pairs()
                found.append(
                    choose_winners(samples, one.exact, one.thresholds, one.order[tests], rows)
                )
        return found

    def _tiles(
        self, first: int, block: Screen, one: _Queries, tile_rows: int, margins: bool
    ) -> ColumnCandidates:
        """Multiply one block with one test set, tile by tile."""
        error = score_error(one.screen, block)
        width = len(block.vectors)
        columns = ColumnCandidates(width, one.limits, error)
        product = self._buffer(tile_rows, width)
        for start in range(0, len(one.screen.vectors), tile_rows):
            tile = slice(start, start + tile_rows)
            rows = one.screen.vectors[tile]
            score = _in_strips(rows, block.vectors, product[: len(rows)])
            if one.rows:
                one.rows.add(score, start, first, error)
            if margins:
                columns.add(score, start)
        return columns

    def _buffer(self, rows: int, columns: int) -> torch.Tensor:
        """Return a float32 matrix that this thread uses again and again."""
        buffer: torch.Tensor | None = getattr(self._buffers, "scores", None)
        if buffer is None or buffer.shape != (rows, columns):
            buffer = torch.empty(rows, columns)
            self._buffers.scores = buffer
        return buffer


def _in_strips(left: torch.Tensor, right: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
    """Multiply as ``multiply`` does, in float32 some columns at a time."""
    width = STRIP_COLUMNS if left.dtype == torch.float32 else max(1, len(right))
    for start in range(0, len(right), width):
        strip = slice(start, start + width)
        multiply(left, right[strip], out[:, strip])
    return out


def _nearest(one: _Queries, base: Vectors, k: int) -> Neighbours:
    """Return the k nearest rows of one test set from the candidates for them."""
    running = RunningNeighbours(len(one.exact.stored), k)
    if one.rows:
        query, row = one.rows.pairs()
        order = np.argsort(row)  # the file is read front to back
        query, row = one.order[query[order]], row[order]
        similarity = np.empty(len(row))
        for start in range(0, len(row), PAIRS_BETWEEN_RELEASES):
            part = slice(start, start + PAIRS_BETWEEN_RELEASES)
            similarity[part] = pair_similarity(one.exact, query[part], base, row[part])
            release(base.stored, int(row[part][0]), int(row[part][-1] - row[part][0]) + 1)
        running.add(query, row, similarity)
    return Neighbours(running.similarity, running.row.astype(np.int32))


@contextlib.contextmanager
def _one_thread_per_operation() -> Iterator[None]:
    """Let torch compute every operation in the thread that asks for it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
