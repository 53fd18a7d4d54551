"""The order in which rows are multiplied, so that neighbouring ones are alike."""

import numpy as np

from gapmatch.data.embedding_files import Float64
from gapmatch.similarity.candidates import Rows


def alike_in_groups(values: Float64, size: int) -> Rows:
    """Order rows so that groups of neighbours have similar values of each kind.

    Rows are halved, again and again, at the median of the kind in which they differ most.

    Args:
        values: (kinds, n), finite.
        size: Rows of a group.

    Returns:
        (n,): the rows in the new order; groups are ``size`` of them from the front.
    """
    done: list[Rows] = []
    waiting = [np.arange(values.shape[1])]
    while waiting:
        rows = waiting.pop()
        spread = np.ptp(values[:, rows], axis=1) if len(rows) > size else np.zeros(1)
        if not spread.any():
            done.append(rows)
            continue
        half = -(-len(rows) // (2 * size)) * size
        rows = rows[np.argpartition(values[spread.argmax(), rows], half)]
        waiting += [rows[half:], rows[:half]]
    return np.concatenate(done)
