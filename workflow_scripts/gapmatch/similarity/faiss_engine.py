"""The engine in FAISS: exact (flat) inner-product indices, on the CPU.

FAISS has no threshold per query. One more dimension gives it: with q' = [q, -s_i] and b' = [b, 1]
the inner product q'.b' is s(q, b) - s_i, so the margin of a pool sample is the score of its
nearest augmented test image.
"""

import faiss
import numpy as np
from tqdm import tqdm

from gapmatch.embedding_files import (
    Float32,
    Stored,
    normalised,
    normalised_blocks,
    require_same_dimension,
)
from gapmatch.similarity.candidates import Rows, RunningNeighbours, choose_winners, cutoff
from gapmatch.similarity.engine import Neighbours, PoolMargins
from gapmatch.similarity.exact import Float64, pair_similarity

SPARE = 3
"""Results asked of FAISS beyond k, so that near ties at the end seldom need a second search."""


class FaissEngine:
    """``engine.Engine`` in FAISS."""

    def margins(
        self, pool: Stored, tests: Stored, thresholds: Float64, block_rows: int
    ) -> PoolMargins:
        """See ``engine.Engine.margins``."""
        require_same_dimension(pool, tests)
        queries = normalised(tests)
        limits = thresholds.astype(np.float32)
        plain = _index(queries)
        augmented = [_index(np.column_stack([queries, -limit])) for limit in limits]
        result = PoolMargins(
            np.empty(len(pool), np.float32),
            np.empty(len(pool), np.int32),
            np.empty((len(thresholds), len(pool)), np.float32),
        )
        blocks = normalised_blocks(pool, block_rows)
        total = -(-len(pool) // block_rows)
        for start, block in tqdm(blocks, total=total, unit="block", mininterval=5):
            no_floor = np.full(len(block), -np.inf)
            extended = np.column_stack([block, np.ones(len(block), np.float32)])
            pairs = [_reaching(plain, block, no_floor, 1)]
            pairs += [_reaching(index, extended, no_floor, 1) for index in augmented]
            stored = np.asarray(pool[start : start + len(block)])
            candidates = [(test, row) for row, test in pairs]
            choose_winners(result, start, stored, tests, thresholds, candidates)
        return result

    def neighbours(self, queries: Stored, base: Stored, k: int, block_rows: int) -> Neighbours:
        """See ``engine.Engine.neighbours``."""
        require_same_dimension(queries, base)
        vectors = normalised(queries)
        width = min(k, len(base))
        running = RunningNeighbours(len(queries), width)
        blocks = normalised_blocks(base, block_rows)
        total = -(-len(base) // block_rows)
        for start, block in tqdm(blocks, total=total, unit="block", mininterval=5):
            query, row = _reaching(_index(block), vectors, running.floor(), width)
            stored = np.asarray(base[start : start + len(block)])
            running.add(query, row + start, pair_similarity(queries, query, stored, row))
        return Neighbours(running.similarity, running.row.astype(np.int32))


def _index(vectors: Float32) -> faiss.IndexFlatIP:
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(np.ascontiguousarray(vectors))
    return index


def _reaching(
    index: faiss.IndexFlatIP, vectors: Float32, floor: Float64, k: int
) -> tuple[Rows, Rows]:
    """Return the pairs (row of vectors, indexed row) that may be among the k best.

    Args:
        index: What is searched.
        vectors: (n, dim), float32.
        floor: (n,), exact similarity that k earlier rows reach (-inf if there are none).
        k: Pairs wanted for each vector; more are returned where float32 cannot tell.
    """
    found: list[tuple[Rows, Rows]] = []
    asked = np.arange(len(vectors))
    width = min(k + SPARE, index.ntotal)
    while len(asked):
        scores, items = index.search(vectors[asked], width)
        kth = scores[:, k - 1] if width >= k else np.full(len(asked), -np.inf)
        near = scores >= cutoff(floor[asked], kth)[:, None]
        # Where even the last result is near, there may be more: search those again, wider.
        crowded = near[:, -1] & (width < index.ntotal)
        query, place = np.nonzero(near & ~crowded[:, None])
        found.append((asked[query], items[query, place]))
        asked = asked[crowded]
        width = min(8 * width, index.ntotal)
    return (
        np.concatenate([query for query, _ in found]),
        np.concatenate([item for _, item in found]),
    )
