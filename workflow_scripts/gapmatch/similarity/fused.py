"""The engine in torch: one pass of blocked products, on the CPU or on a GPU.

For each block of the dataset the product with a tile of tests stays in the cache while column
maxima and the margins of all ranks are taken from it, which costs little beside the product.
"""

import numpy as np
import torch
from tqdm import tqdm

from gapmatch.embedding_files import (
    Float32,
    Stored,
    normalised,
    normalised_blocks,
    require_same_dimension,
)
from gapmatch.similarity.candidates import (
    ColumnWinners,
    Rows,
    RunningNeighbours,
    choose_winners,
    cutoff,
)
from gapmatch.similarity.engine import Neighbours, PoolMargins
from gapmatch.similarity.exact import Float64, pair_similarity

TILE_SCORES = {"cpu": 2**21, "cuda": 2**28}
"""Scores per product: on the CPU 8 MB, so that they stay in the cache; on a GPU 1 GB."""

CROWD = 4
"""Candidates per wanted neighbour above which a block's own k-th best score is computed."""


class FusedEngine:
    """``engine.Engine`` in torch; float32 products in full precision (no TF32)."""

    def __init__(self, device: str) -> None:
        """Compute on ``device``, "cpu" or "cuda"."""
        self._device = torch.device(device)
        self._tile_scores = TILE_SCORES[device]

    def _tensor(self, vectors: Float32) -> torch.Tensor:
        return torch.from_numpy(vectors).to(self._device)

    def _tiles(self, queries: int, columns: int) -> list[slice]:
        """Return slices of the queries whose product with a block is one tile of scores."""
        rows = max(1, self._tile_scores // columns)
        return [slice(first, first + rows) for first in range(0, queries, rows)]

    def margins(
        self, pool: Stored, tests: Stored, thresholds: Float64, block_rows: int
    ) -> PoolMargins:
        """See ``engine.Engine.margins``."""
        require_same_dimension(pool, tests)
        queries = self._tensor(normalised(tests))
        limits = self._tensor(thresholds.astype(np.float32))[:, :, None]
        result = PoolMargins(
            np.empty(len(pool), np.float32),
            np.empty(len(pool), np.int32),
            np.empty((len(thresholds), len(pool)), np.float32),
        )
        blocks = normalised_blocks(pool, block_rows)
        total = -(-len(pool) // block_rows)
        for start, block in tqdm(blocks, total=total, unit="block", mininterval=5):
            columns = self._tensor(block).T
            winners = [ColumnWinners(len(block), self._device) for _ in range(1 + len(thresholds))]
            for tile in self._tiles(len(queries), len(block)):
                scores = queries[tile] @ columns
                winners[0].add(scores, tile.start)
                for winner, limit in zip(winners[1:], limits, strict=True):
                    winner.add(scores - limit[tile], tile.start)
            stored = np.asarray(pool[start : start + len(block)])
            pairs = [winner.pairs() for winner in winners]
            choose_winners(result, start, stored, tests, thresholds, pairs)
        return result

    def neighbours(self, queries: Stored, base: Stored, k: int, block_rows: int) -> Neighbours:
        """See ``engine.Engine.neighbours``."""
        require_same_dimension(queries, base)
        vectors = self._tensor(normalised(queries))
        width = min(k, len(base))
        running = RunningNeighbours(len(queries), width)
        blocks = normalised_blocks(base, block_rows)
        total = -(-len(base) // block_rows)
        for start, block in tqdm(blocks, total=total, unit="block", mininterval=5):
            columns = self._tensor(block).T
            stored = np.asarray(base[start : start + len(block)])
            for tile in self._tiles(len(queries), len(block)):
                floor = running.floor()[tile]
                query, row = _reaching(vectors[tile] @ columns, floor, width)
                query += tile.start
                running.add(query, row + start, pair_similarity(queries, query, stored, row))
        return Neighbours(running.similarity, running.row.astype(np.int32))


def _reaching(scores: torch.Tensor, floor: Float64, k: int) -> tuple[Rows, Rows]:
    """Return the pairs (query, row) that may be among the k best, given the exact k-th so far.

    The k-th largest score of the block is a bound too, but costs as much as the product. It is
    taken only where the rows seen before do not thin the pairs out by themselves.
    """

    def near(bound: Float64) -> torch.Tensor:
        # float32 rounds the bound by 6e-8, far below the tolerance in it.
        return scores >= torch.from_numpy(bound).to(scores.device, scores.dtype)[:, None]

    pairs = near(cutoff(floor, np.full(len(floor), -np.inf)))
    if k <= scores.shape[1] and int(pairs.sum()) > CROWD * k * len(floor):
        pairs = near(cutoff(floor, scores.topk(k, dim=1).values[:, -1].cpu().numpy()))
    query, row = torch.nonzero(pairs, as_tuple=True)
    return query.cpu().numpy(), row.cpu().numpy()
