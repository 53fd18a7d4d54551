"""Spherical k-means on the embeddings of a large dataset."""

import logging
import time
from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from gapmatch.data.embedding_files import Float32, Float64, Samples, Stored, evenly_spaced
from gapmatch.running.errors import InputError
from gapmatch.similarity.engine import Engine, find_margins, plain
from gapmatch.similarity.normalising import normalised

logger = logging.getLogger(__name__)

SUMMED_AT_ONCE = 4096
"""Samples whose float64 vectors are in memory at one time."""


def train_centroids(
    chunks: Sequence[Stored],
    clusters: int,
    iterations: int,
    max_training_samples: int,
    seed: int,
    engine: Engine,
) -> Float32:
    """Cluster a sample of the dataset by spherical k-means (Lloyd's iterations).

    Assignments are exact and float64 sums of float16 numbers are exact too, so the centroids do
    not depend on threads, device, engine or block size, as those of FAISS's k-means do.

    Args:
        chunks: Embeddings of the chunks, in order.
        clusters: Number of clusters.
        iterations: Iterations, at most: fewer when no assignment changes any more.
        max_training_samples: The sample is at most this large, taken evenly over all chunks.
        seed: Seed of the choice of samples that are the first centroids.
        engine: Finds the nearest centroid.

    Returns:
        Centroids (clusters, dim), float32, of length 1. A cluster that loses all its samples
        keeps its centroid.

    Raises:
        InputError: There are fewer training samples than clusters.
    """
    samples = Samples(chunks)
    chosen = evenly_spaced(len(samples), max_training_samples)
    if len(chosen) < clusters:
        raise InputError(
            f"k-means needs as many training samples as clusters at least: got {len(chosen)} "
            f"samples for {clusters} clusters. Lower clusters.number (of deduplication: "
            "deduplicate.clusters), or raise max_training_samples of that section"
        )
    vectors = samples.take(chosen)
    first = np.random.default_rng(seed).permutation(len(vectors))[:clusters]
    centroids = normalised(vectors[first], source="training sample of k-means").numpy()
    assigned = np.full(len(vectors), -1, np.int32)
    started = time.monotonic()
    for iteration in range(1, iterations + 1):
        before, assigned = assigned, assign_clusters(vectors, centroids, engine)
        changed = int((before != assigned).sum())
        seconds = (time.monotonic() - started) / iteration
        logger.info(
            "k-means, iteration %d of at most %d: %d assignments changed; %.1f s/iteration, "
            "at most %s left",
            *(iteration, iterations, changed, seconds),
            timedelta(seconds=round(seconds * (iterations - iteration))),
        )
        if not changed:
            break
        sums = _cluster_sums(vectors, assigned, clusters)
        lengths = np.sqrt((sums * sums).sum(axis=1, keepdims=True))
        filled = lengths[:, 0] > 0
        centroids[filled] = sums[filled] / lengths[filled]
    return centroids


def _cluster_sums(vectors: Stored, assigned: npt.NDArray[np.int32], clusters: int) -> Float64:
    """Return (clusters, dim), float64: the sum of the vectors assigned to each cluster."""
    sums = np.zeros((clusters, vectors.shape[1]))
    for start in range(0, len(vectors), SUMMED_AT_ONCE):
        part = slice(start, start + SUMMED_AT_ONCE)
        order = np.argsort(assigned[part], kind="stable")
        present, first = np.unique(assigned[part][order], return_index=True)
        block = vectors[part][order].astype(np.float64)
        sums[present] += np.add.reduceat(block, first, axis=0)
    return sums


def assign_clusters(stored: Stored, centroids: Stored, engine: Engine) -> npt.NDArray[np.int32]:
    """Return (rows,), int32: the nearest centroid of every row, the lowest among equal ones."""
    return find_margins(engine, stored, plain(centroids)).nearest_test_row
