"""The engine in FAISS: exact (brute force) inner-product search, on the CPU or on a GPU.

FAISS has no threshold per query. One more dimension gives it: with q' = [q, -s_i] and b' = [b, 1]
the inner product q'.b' is s(q, b) - s_i, so the margin of a pool sample is the score of its
nearest augmented test image.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import faiss
import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from gapmatch.data.embedding_files import Float32, Float64, Stored, require_same_dimension
from gapmatch.running.errors import InputError
from gapmatch.similarity.candidates import Rows, RunningNeighbours
from gapmatch.similarity.engine import Neighbours, Receive, TestVectors
from gapmatch.similarity.exact import pair_similarity, with_squares
from gapmatch.similarity.normalising import normalised, normalised_blocks
from gapmatch.similarity.screening import augmented_score_error
from gapmatch.similarity.winners import choose_winners

SPARE = 3
"""Results asked of FAISS beyond k, so that near ties at the end seldom need a second search."""

BLOCK_ROWS = {"cpu": 4096, "cuda": 2**17}

MOST_ON_GPU = 2048
"""FAISS finds no more than this many results per query on a GPU."""

Knn: TypeAlias = Callable[[Float32, Float32, int], tuple[Float32, Rows]]
"""Returns scores and places of the k best of the second argument for each row of the first."""


def computes_on_gpu() -> bool:
    """Return whether the installed FAISS has code for GPUs, as faiss-gpu has."""
    return hasattr(faiss, "StandardGpuResources")


class FaissEngine:
    """``engine.Engine`` in FAISS."""

    def __init__(self, device: str, threads: int, block_rows: int | None = None) -> None:
        """Choose how to compute; the answers do not depend on it.

        Args:
            device: "cpu" or "cuda".
            threads: CPU threads.
            block_rows: Rows of the dataset searched together; None chooses.

        Raises:
            InputError: The installed FAISS has no code for GPUs.
        """
        faiss.omp_set_num_threads(threads)
        torch.set_num_threads(threads)
        self._block_rows = block_rows or BLOCK_ROWS[device]
        on_cpu: Knn = partial(_knn, faiss.knn)
        self._knn = on_cpu
        if device == "cuda":
            if not computes_on_gpu():
                raise InputError(
                    "compute.engine: faiss is asked to use a GPU, but the installed FAISS has "
                    "no code for it; run `make faiss-gpu`, or run Snakemake with --sdm conda, or "
                    "use the engine 'fused' or the device 'cpu'."
                )
            on_gpu: Knn = partial(_knn, partial(faiss.knn_gpu, faiss.StandardGpuResources()))
            self._knn = lambda q, b, k: (on_gpu if k <= MOST_ON_GPU else on_cpu)(q, b, k)

    def search(
        self, base: Stored, test_sets: Sequence[TestVectors], k: int, receive: Receive | None
    ) -> list[Neighbours]:
        """See ``engine.Engine.search``."""
        for tests in test_sets:
            require_same_dimension(base, tests.vectors)
        width = min(k, len(base))
        exact = [with_squares(tests.vectors) for tests in test_sets]
        queries = [normalised(tests.vectors).numpy() for tests in test_sets]
        augmented = [
            [np.column_stack([vectors, -limit]) for limit in tests.thresholds.astype(np.float32)]
            for tests, vectors in zip(test_sets, queries, strict=True)
        ]
        error = augmented_score_error(base.shape[1])
        running = [RunningNeighbours(len(vectors), width) for vectors in queries]
        total = -(-len(base) // self._block_rows)
        blocks = normalised_blocks(base, self._block_rows)
        for start, tensor in tqdm(blocks, total=total, unit="block", mininterval=5):
            block = tensor.numpy()
            stored = np.asarray(base[start : start + len(block)])
            samples = with_squares(stored)
            for place, (tests, vectors) in enumerate(zip(test_sets, queries, strict=True)):
                if width:
                    floor = running[place].floor()
                    query, row = self._reaching(vectors, block, floor, width, error)
                    similarity = pair_similarity(exact[place], query, samples, row)
                    running[place].add(query, row + start, similarity)
                if receive:
                    pairs = self._margin_candidates(block, vectors, augmented[place], error)
                    margins = choose_winners(samples, exact[place], tests.thresholds, *pairs)
                    receive(place, start, margins)
        return [Neighbours(one.similarity, one.row.astype(np.int32)) for one in running]

    def _margin_candidates(
        self, block: Float32, queries: Float32, augmented: Sequence[Float32], error: float
    ) -> tuple[Rows, Rows]:
        """Return test and block rows of pairs for the nearest test image and for each margin."""
        no_floor = np.full(len(block), -np.inf)
        pairs = [self._reaching(block, queries, no_floor, 1, error)]
        extended = np.column_stack([block, np.ones(len(block), np.float32)])
        pairs += [self._reaching(extended, one, no_floor, 1, error) for one in augmented]
        # The pair that wins the similarity mostly wins the margins too.
        keys = np.unique(np.concatenate([row * len(queries) + test for row, test in pairs]))
        return keys % len(queries), keys // len(queries)

    def _reaching(
        self, queries: Float32, base: Float32, floor: Float64, k: int, error: float
    ) -> tuple[Rows, Rows]:
        """Return the pairs (query, row) that may be among the k best.

        Args:
            queries: (n, dim).
            base: (m, dim), m > 0.
            floor: (n,), exact similarity that k earlier rows reach (-inf if there are none).
            k: Pairs wanted for each query; more are returned where float32 cannot tell.
            error: Bound on |score - similarity|.
        """
        found: list[tuple[Rows, Rows]] = []
        asked = np.arange(len(queries))
        width = min(k + SPARE, len(base))
        while len(asked):
            scores, rows = self._knn(queries[asked], base, width)
            kth = scores[:, k - 1] if width >= k else np.full(len(asked), -np.inf)
            bound = np.maximum(floor[asked] - error, kth - 2 * error)
            near = scores >= bound[:, None]
            # Where even the last result is near, there may be more: search those again, wider.
            crowded = near[:, -1] & (width < len(base))
            query, place = np.nonzero(near & ~crowded[:, None])
            found.append((asked[query], rows[query, place]))
            asked = asked[crowded]
            width = min(8 * width, len(base))
        return (
            np.concatenate([query for query, _ in found]),
            np.concatenate([row for _, row in found]),
        )


def _knn(search: Any, queries: Float32, base: Float32, k: int) -> tuple[Float32, Rows]:
    """Call FAISS's brute-force search, of which the CPU's and the GPU's take the same words."""
    scores: npt.NDArray[np.float32]
    scores, rows = search(queries, base, k, metric=faiss.METRIC_INNER_PRODUCT)
    return scores, rows
