"""The choice among candidates, by their exact similarities."""

from collections.abc import Sequence

import numpy as np

from gapmatch.embedding_files import Float64
from gapmatch.similarity.candidates import Rows
from gapmatch.similarity.engine import PoolMargins, empty_margins
from gapmatch.similarity.exact import Integers, Vectors, pair_similarity


def best_per_group(
    groups: Integers, rows: Integers, values: Float64
) -> tuple[Integers, Integers, Float64]:
    """Return for each group its entry of the largest value; the lowest row among equal ones.

    Args:
        groups: (n,), any integers.
        rows: (n,), what decides among equal values.
        values: (n,), float64.

    Returns:
        The groups that occur, ascending; the winning row and value of each.
    """
    order = np.lexsort((rows, -values, groups))
    present, first = np.unique(groups[order], return_index=True)
    winners = order[first]
    return present, rows[winners], values[winners]


def choose_winners(
    block: Vectors, tests: Vectors, thresholds: Float64, candidates: Sequence[tuple[Rows, Rows]]
) -> PoolMargins:
    """Return the margins of a block of the pool from the candidates for them.

    Args:
        block: The b samples of the block.
        tests: The n test images.
        thresholds: (ranks, n), float64.
        candidates: Pairs (test row, block row): those for the nearest test image, then those for
            the margin of each rank. Each holds at least one pair for every block row.
    """
    number = len(tests.stored)
    keys = [columns * number + rows for rows, columns in candidates]
    # The pair that wins the similarity mostly wins the margins too: compute each pair once.
    distinct = np.unique(np.concatenate(keys))
    similarity = pair_similarity(tests, distinct % number, block, distinct // number)
    values = [similarity[np.searchsorted(distinct, key)] for key in keys]
    result = empty_margins(len(thresholds), len(block.stored))
    (rows, columns), nearest = candidates[0], values[0]
    _, result.nearest_test_row[:], result.nearest_similarity[:] = best_per_group(
        columns, rows, nearest
    )
    for rank, threshold in enumerate(thresholds):
        rows, columns = candidates[rank + 1]
        margin = values[rank + 1] - threshold[rows]
        result.margins[rank] = best_per_group(columns, rows, margin)[2]
    return result
