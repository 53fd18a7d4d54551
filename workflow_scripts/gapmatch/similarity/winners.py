"""The choice among candidates, by their exact similarities."""

import numpy as np

from gapmatch.data.embedding_files import Float64
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
    block: Vectors, tests: Vectors, thresholds: Float64, rows: Rows, columns: Rows
) -> PoolMargins:
    """Return the margins of a block of the pool from the candidates for them.

    Args:
        block: The b samples of the block.
        tests: The n test images.
        thresholds: (ranks, n), float64.
        rows: (pairs,), test rows of the candidates, for the nearest test image and for the
            margins of all ranks.
        columns: (pairs,), their block rows; each block row has at least one candidate.
    """
    number = len(tests.stored)
    order = np.argsort(columns * number + rows)
    rows, columns = rows[order], columns[order]
    similarity = pair_similarity(tests, rows, block, columns)
    result = empty_margins(len(thresholds), len(block.stored))
    first = np.searchsorted(columns, np.arange(len(block.stored)))
    best = np.maximum.reduceat(similarity, first)
    nearest = np.where(similarity == best[columns], rows, number)
    result.nearest_test_row[:] = np.minimum.reduceat(nearest, first)
    result.nearest_similarity[:] = best
    for margins, threshold in zip(result.margins, thresholds, strict=True):
        margins[:] = np.maximum.reduceat(similarity - threshold[rows], first)
    return result
