"""The search as the paper's authors describe it, written anew from that description.

Per mini-batch of test images the similarities to all pool samples are computed in mini-batches of
the pool and put together; the 20,000 most similar pool samples of each test image are kept as its
candidates, and those above its threshold are pruned. A second product finds the nearest test image
of every pool sample, for near- and far-pruning.
"""

import numpy as np
import numpy.typing as npt
import torch

CANDIDATES = 20_000
TESTS_AT_ONCE = 256
POOL_AT_ONCE = 10_000


def search(
    pool: npt.NDArray[np.float16],
    tests: npt.NDArray[np.float16],
    thresholds: npt.NDArray[np.float64],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Search a pool for one test set.

    Args:
        pool: (rows, dim).
        tests: (n, dim).
        thresholds: (ranks, n).

    Returns:
        pruned: (ranks, rows), bool: among the candidates of a test image and above its threshold.
        nearest_similarity: (rows,), to the nearest test image.
        nearest_test: (rows,), which it is.
    """
    queries = torch.from_numpy(tests).float()
    limits = torch.from_numpy(thresholds).float()
    pruned = torch.zeros(len(thresholds), len(pool), dtype=torch.bool)
    for start in range(0, len(queries), TESTS_AT_ONCE):
        batch = queries[start : start + TESTS_AT_ONCE]
        parts = []
        for first in range(0, len(pool), POOL_AT_ONCE):
            part = torch.from_numpy(np.array(pool[first : first + POOL_AT_ONCE])).float()
            parts.append(batch @ part.T)
        similarity = torch.cat(parts, dim=1)
        best = similarity.topk(min(CANDIDATES, len(pool)), dim=1)
        for rank, limit in enumerate(limits):
            above = best.values > limit[start : start + TESTS_AT_ONCE, None]
            pruned[rank, best.indices[above]] = True
    nearest = []
    for first in range(0, len(pool), POOL_AT_ONCE):
        part = torch.from_numpy(np.array(pool[first : first + POOL_AT_ONCE])).float()
        nearest.append((part @ queries.T).max(dim=1))
    return (
        pruned,
        torch.cat([found.values for found in nearest]),
        torch.cat([found.indices for found in nearest]),
    )
