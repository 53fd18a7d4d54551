"""What two factors do in a grid: their shares of the variance, and what doubling each adds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from gapmatch.data.embedding_files import Float64


class Effects(NamedTuple):
    """What the factors do in a grid, of each of many replicates.

    Attributes:
        shares: (replicates, 3): shares of the variance that size, diversity and the rest explain.
        slopes: (replicates, 2): what a doubling of size, and of the clusters, adds to the logit.
    """

    shares: Float64
    slopes: Float64


def effects(logits: Float64, sizes: Sequence[int], clusters: Sequence[int]) -> Effects:
    """Divide the variance between the cells of a grid.

    Y_ab = m + s_a + d_b + r_ab, with means of zero over a and over b: a linear model with a value
    for each size and each number of clusters, which assumes that the two add up on logits. The sum
    of squares of Y - m is that of s, d and r together, each over all cells. r holds their
    interaction and noise. Slopes are least-squares lines through s and d over the binary logarithm
    of size and clusters.

    Args:
        logits: (replicates, sizes, clusters).
        sizes: Of the subsets.
        clusters: That they come from.
    """
    centred = logits - logits.mean(axis=(1, 2), keepdims=True)
    of_size, of_clusters = centred.mean(axis=2), centred.mean(axis=1)
    rest = centred - of_size[:, :, None] - of_clusters[:, None, :]
    squares = np.stack(
        [
            (of_size**2).sum(axis=1) * len(clusters),
            (of_clusters**2).sum(axis=1) * len(sizes),
            (rest**2).sum(axis=(1, 2)),
        ],
        axis=1,
    )
    total = squares.sum(axis=1, keepdims=True)
    shares = np.divide(squares, total, out=np.full_like(squares, np.nan), where=total > 0)
    slopes = np.stack([_slope(of_size, sizes), _slope(of_clusters, clusters)], axis=1)
    return Effects(shares, slopes)


def _slope(values: Float64, doses: Sequence[int]) -> Float64:
    """Return the slopes of rows of values over the binary logarithm of doses, (rows,)."""
    x = np.log2(np.asarray(doses, dtype=np.float64))
    x -= x.mean()
    return np.asarray(values @ x / (x @ x))


def slope_errors(logits: Float64, sizes: Sequence[int], clusters: Sequence[int]) -> Float64:
    """Return the standard errors of the slopes, (2,), by what a linear model leaves over.

    Y_ab = m + alpha log2(size) + beta log2(clusters) + e_ab, where the e_ab are independent and of
    one variance: it is estimated from their squares, with ``degrees_of_freedom``.

    Args:
        logits: (sizes, clusters).
        sizes: Of the subsets.
        clusters: That they come from.
    """
    doses = [np.log2(np.asarray(values, dtype=np.float64)) for values in (sizes, clusters)]
    x, z = (values - values.mean() for values in doses)
    alpha, beta = effects(logits[None], sizes, clusters).slopes[0]
    left = logits - logits.mean() - alpha * x[:, None] - beta * z[None, :]
    variance = (left**2).sum() / degrees_of_freedom(sizes, clusters)
    squares = np.array([(x**2).sum() * len(z), (z**2).sum() * len(x)])
    return np.asarray(np.sqrt(variance / squares))


def degrees_of_freedom(sizes: Sequence[int], clusters: Sequence[int]) -> int:
    """Return the cells without the three numbers that the linear model fits."""
    return len(sizes) * len(clusters) - 3
