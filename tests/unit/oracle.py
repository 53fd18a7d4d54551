"""Plain NumPy, float64, whole matrices: what the package must agree with."""

import numpy as np
from hypothesis import strategies as st


def similarity_matrix(x, y):
    """Cosines of all pairs of stored vectors, (n, m), float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    norms = np.sqrt((x * x).sum(1)[:, None] * (y * y).sum(1)[None, :])
    return np.minimum((x @ y.T) / norms, 1.0)


def neighbours(queries, base, k):
    """The k most similar rows of each query; equal similarities by row."""
    matrix = similarity_matrix(queries, base)
    row = np.argsort(-matrix, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(matrix, row, axis=1), row


def thresholds(tests, reference, ranks):
    """s_i^(K)(R), (ranks, n)."""
    ordered = -np.sort(-similarity_matrix(tests, reference), axis=1)
    return np.stack([ordered[:, rank - 1] for rank in ranks])


def margins(pool, tests, limits):
    """Nearest similarity, nearest test row and margins (ranks, rows) of the pool."""
    matrix = similarity_matrix(tests, pool)
    margin = np.stack([(matrix - limit[:, None]).max(0) for limit in limits])
    return matrix.max(0), matrix.argmax(0), margin


def duplicates(vectors, clusters, threshold):
    """For every row, the most similar earlier row of its cluster above the threshold, or -1."""
    matrix = similarity_matrix(vectors, vectors)
    original = np.full(len(vectors), -1)
    for row in range(len(vectors)):
        earlier = np.flatnonzero(clusters[:row] == clusters[row])
        if len(earlier) and matrix[row, earlier].max() > threshold:
            original[row] = earlier[matrix[row, earlier].argmax()]
    return original


def stored(vectors):
    """Vectors (rows, dim) of length 1 as float16."""
    vectors = vectors.astype(np.float64)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def unit_vectors(rng, rows, dim):
    """Random vectors (rows, dim), stored as float16."""
    return stored(rng.standard_normal((rows, dim)))


def tied_vectors(rng, rows, dim):
    """Vectors of few distinct directions, so that equal similarities abound; float16."""
    vectors = rng.integers(-1, 2, (rows, dim)).astype(np.float64)
    vectors[~vectors.any(axis=1), 0] = 1.0
    return stored(vectors)


makers = st.sampled_from([unit_vectors, tied_vectors])
seeds = st.integers(0, 2**32 - 1)
