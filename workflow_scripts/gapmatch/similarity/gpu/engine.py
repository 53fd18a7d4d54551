"""The engine on a GPU: all steps of a search, block by block."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import zip_longest
from typing import TypeAlias

import numpy as np
import torch
from tqdm import tqdm

from gapmatch.data.embedding_files import Stored, require_same_dimension, source_name
from gapmatch.similarity.engine import Neighbours, Receive, TestVectors
from gapmatch.similarity.gpu import results
from gapmatch.similarity.gpu.choice import fastest_products
from gapmatch.similarity.gpu.memory import BUFFERS, Sizes, choose_block_rows
from gapmatch.similarity.gpu.neighbours import NearestRows
from gapmatch.similarity.gpu.operands import Operand, operand
from gapmatch.similarity.gpu.products import Products
from gapmatch.similarity.gpu.queries import Queries, queries
from gapmatch.similarity.gpu.reading import BlockReader
from gapmatch.similarity.gpu.shortlist import (
    Groups,
    groups_of_rows,
    groups_of_tests,
    pairs,
    shortlists,
)
from gapmatch.similarity.gpu.winners import Winners, similarities

GROUPS_PER_NEIGHBOUR = 4
"""Groups of a block's rows, at least, for each neighbour wanted: the k-th best of their peaks is a
good bound."""


_Take: TypeAlias = Callable[[torch.Tensor, torch.Tensor], None]
"""Takes in pairs: the vectors of the side that is not in groups, and those of the side that is."""


UNRECEIVED = 2
"""Blocks of which the results wait to be received, at most."""


class GpuEngine:
    """``engine.Engine`` on a GPU."""

    def __init__(
        self,
        threads: int,
        max_memory_mb: int,
        block_rows: int | None = None,
        products: Products | None = None,
    ) -> None:
        """Choose how to compute; no answer depends on it.

        Args:
            threads: Threads that read the dataset.
            max_memory_mb: What the process may take on the host, in MiB.
            block_rows: Rows of the dataset per product, at most; None chooses.
            products: How to multiply; None takes the kernels where they run.
        """
        self._device = torch.device("cuda", torch.cuda.current_device())
        self._threads = threads
        self._max_memory_mb = max_memory_mb
        self._block_rows = block_rows
        self._products = products or fastest_products(self._device)

    def search(
        self, base: Stored, test_sets: Sequence[TestVectors], k: int, receive: Receive | None
    ) -> list[Neighbours]:
        """See ``engine.Engine.search``."""
        for one in test_sets:
            require_same_dimension(base, one.vectors)
        k = min(k, len(base))
        decisions = 1 + max(len(one.thresholds) for one in test_sets) if receive else 0
        # The more decisions the larger the groups, so that the peaks stay few beside the scores.
        group = self._products.tile * (1 + decisions)
        tests = queries(test_sets, group, self._products, self._device)
        nearest = NearestRows(len(tests.row), k, self._device) if k else None
        block_rows = self._rows(base, tests, k)
        # Who receives may write files, which takes longer than a block.
        with ThreadPoolExecutor(self._threads) as readers, ThreadPoolExecutor(1) as receiver:
            received: deque[Future[None]] = deque()
            reader = BlockReader(base, block_rows, BUFFERS, self._device, readers)
            group = self._row_group(block_rows, k)
            search = _Search(self._products, tests, nearest, decisions, group)
            for first, fetched in _each_a_block_late(reader, search, len(base)):
                results.require_good(fetched, source_name(base), first)
                if receive:
                    received.append(receiver.submit(_deliver, receive, first, fetched, tests))
                if len(received) > UNRECEIVED:
                    received.popleft().result()
            for one_block in received:
                one_block.result()
        return [_neighbours(tests, place, nearest) for place in range(len(test_sets))]

    def _rows(self, base: Stored, tests: Queries, k: int) -> int:
        """Return the rows of a block."""
        rows = min(len(base), self._block_rows or len(base))
        sizes = Sizes(
            dim=base.shape[1],
            tests=len(tests.row),
            group=tests.group,
            test_sets=len(tests.ends),
            ranks=len(tests.thresholds),
            k=k,
            row_group=self._row_group(rows, k),
            test_bytes=tests.vectors.stored.itemsize,
            row_bytes=base.itemsize,
            scores=not self._products.fused,
        )
        return choose_block_rows(
            self._device, sizes, len(base), self._max_memory_mb, self._block_rows
        )

    def _row_group(self, rows: int, k: int) -> int:
        """Return the rows in a group, a power of two; 0 where no neighbours are wanted."""
        if not k:
            return 0
        most = max(1, min(self._products.tile, rows // (GROUPS_PER_NEIGHBOUR * k)))
        return 1 << (most.bit_length() - 1)


class _Search:
    """What all blocks of a search share."""

    def __init__(
        self,
        products: Products,
        tests: Queries,
        nearest: NearestRows | None,
        decisions: int,
        row_group: int,
    ) -> None:
        self._products, self._tests, self._nearest = products, tests, nearest
        self._limits, self._row_group = tests.limits[:decisions], row_group

    def block(
        self, stored: torch.Tensor, first: int, meanwhile: Callable[[], None]
    ) -> results.Fetched:
        """Search a block (rows, dim) that begins with a row; do something else meanwhile."""
        block = operand(stored, self._products)
        winners = Winners(self._tests, len(stored)) if len(self._limits) else None
        nearest = self._nearest
        if winners or nearest:
            peaks = self._products.peaks(
                *(self._tests.vectors.half, block.half, self._limits),
                *(self._tests.group, self._row_group),
            )
        meanwhile()
        sides = []
        take: list[_Take] = []
        if winners:
            sides.append(groups_of_tests(self._tests, block, peaks.columns))
            take.append(partial(self._take_winners, block, winners))
        if nearest and peaks.rows is not None:
            size = self._row_group
            sides.append(groups_of_rows(self._tests, block, peaks.rows, size, nearest))
            take.append(partial(self._take_nearest, block, first, nearest))
        for side, others, members in _may_win(self._products, sides):
            take[side](others, members)
        if nearest:
            nearest.finish_block(len(stored))
        return results.fetch(block, winners)

    def _take_winners(
        self, block: Operand, winners: Winners, columns: torch.Tensor, tests: torch.Tensor
    ) -> None:
        similarity = similarities(self._products, self._tests.vectors, tests, block, columns)
        winners.add(tests, columns, similarity)

    def _take_nearest(
        self,
        block: Operand,
        first: int,
        nearest: NearestRows,
        tests: torch.Tensor,
        rows: torch.Tensor,
    ) -> None:
        similarity = similarities(self._products, self._tests.vectors, tests, block, rows)
        nearest.add(tests, rows + first, similarity)


def _may_win(
    products: Products, sides: Sequence[Groups]
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Yield pairs that may win: the number of their side, and vectors as in ``pairs``."""
    by_side = shortlists(products, sides) if sides else []
    for together in zip_longest(*by_side):
        present = [(side, one) for side, one in enumerate(together) if one]
        for number, others, members in pairs(products, [one for _, one in present]):
            yield present[number][0], others, members


def _each_a_block_late(
    reader: BlockReader, search: _Search, rows: int
) -> Iterator[tuple[int, results.Fetched]]:
    """Search all blocks; yield the first row and the results of each while the next one runs."""
    waiting: deque[tuple[slice, results.Fetched]] = deque()
    with tqdm(total=rows, unit="row", unit_scale=True, mininterval=5) as bar:
        reader.upload(0)
        for number in range(reader.blocks()):
            part = reader.rows(number)
            with reader.on_device(number) as stored:
                following = partial(reader.upload, number + 1)
                waiting.append((part, search.block(stored, part.start, following)))
            while len(waiting) > (number + 1 < reader.blocks()):
                done, fetched = waiting.popleft()
                yield done.start, fetched
                bar.update(done.stop - done.start)


def _deliver(receive: Receive, first: int, fetched: results.Fetched, tests: Queries) -> None:
    """Hand over the margins of a block."""
    for place, ranks in enumerate(tests.ranks):
        receive(place, first, results.margins(fetched, place, ranks))


def _neighbours(tests: Queries, place: int, nearest: NearestRows | None) -> Neighbours:
    """Return the nearest rows of the images of a test set."""
    if nearest is None:
        images = int(tests.real[tests.part(place)].sum())
        return Neighbours(np.empty((images, 0)), np.empty((images, 0), np.int32))
    similarity, row = nearest.found(tests.images(place))
    return Neighbours(similarity, row.astype(np.int32))
