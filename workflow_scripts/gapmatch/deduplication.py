"""Duplicates within a large dataset: k-means clusters, then comparison inside each cluster.

A sample is dropped iff its similarity to an earlier sample of its cluster, in the order of
(chunk, row), exceeds the threshold. Earlier samples count whether they were dropped or not.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from gapmatch.embedding_files import Float32, Stored, normalised
from gapmatch.errors import InputError
from gapmatch.similarity.candidates import ColumnWinners, Rows
from gapmatch.similarity.engine import Engine
from gapmatch.similarity.exact import Float64, best_per_group, pair_similarity

logger = logging.getLogger(__name__)

Take = Callable[[Rows], Stored]
"""Returns the stored vectors of given samples, in the order asked."""


@dataclass(frozen=True)
class Duplicates:
    """For every sample of a dataset in the order of (chunk, row), what it duplicates.

    Attributes:
        original: (samples,), int64: the most similar earlier sample of the cluster, the earliest
            among equal ones; -1 where the sample is kept.
        similarity: (samples,), float32: similarity to it; NaN where the sample is kept.
    """

    original: Rows
    similarity: Float32

    @property
    def kept(self) -> npt.NDArray[np.bool_]:
        """Return (samples,), bool: whether the sample has no earlier duplicate."""
        return self.original < 0


class Samples:
    """The samples of several chunks as one sequence, read where asked."""

    def __init__(self, chunks: Sequence[Stored]) -> None:
        """Take the chunks in their order; they may be memory maps."""
        self._chunks = chunks
        self.starts = np.cumsum([0, *(len(chunk) for chunk in chunks)])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def take(self, samples: Rows) -> Stored:
        """Return the vectors of ``samples`` (any order), reading each chunk front to back."""
        order = np.argsort(samples, kind="stable")
        ascending = samples[order]
        bounds = np.searchsorted(ascending, self.starts)
        dim = self._chunks[0].shape[1]
        vectors = np.empty((len(samples), dim), dtype=np.result_type(*self._chunks))
        for chunk, start, low, high in zip(
            self._chunks, self.starts, bounds, bounds[1:], strict=False
        ):
            if low < high:
                vectors[order[low:high]] = chunk[ascending[low:high] - start]
        return vectors


def evenly_spaced(total: int, wanted: int) -> Rows:
    """Return ``min(total, wanted)`` of the numbers 0..total-1, evenly spaced, ascending."""
    count = min(total, wanted)
    return np.arange(count, dtype=np.int64) * total // max(count, 1)


def train_centroids(
    chunks: Sequence[Stored],
    clusters: int,
    iterations: int,
    max_training_samples: int,
    seed: int,
    engine: Engine,
    block_rows: int,
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
        block_rows: Samples per product.

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
            f"deduplicate.clusters is {clusters} but k-means has only {len(chosen)} training "
            f"samples; lower it, or raise deduplicate.max_training_samples."
        )
    vectors = samples.take(chosen)
    first = np.random.default_rng(seed).permutation(len(vectors))[:clusters]
    centroids = normalised(vectors[first], source="training sample of k-means")
    assigned = np.full(len(vectors), -1, np.int32)
    for iteration in range(iterations):
        before, assigned = assigned, assign_clusters(vectors, centroids, engine, block_rows)
        changed = int((before != assigned).sum())
        logger.info("k-means, iteration %d: %d assignments changed", iteration + 1, changed)
        if not changed:
            break
        sums = _cluster_sums(vectors, assigned, clusters, block_rows)
        lengths = np.sqrt((sums * sums).sum(axis=1, keepdims=True))
        filled = lengths[:, 0] > 0
        centroids[filled] = sums[filled] / lengths[filled]
    return centroids


def _cluster_sums(
    vectors: Stored, assigned: npt.NDArray[np.int32], clusters: int, block_rows: int
) -> Float64:
    """Return (clusters, dim), float64: the sum of the vectors assigned to each cluster."""
    sums = np.zeros((clusters, vectors.shape[1]))
    for start in range(0, len(vectors), block_rows):
        part = slice(start, start + block_rows)
        order = np.argsort(assigned[part], kind="stable")
        present, first = np.unique(assigned[part][order], return_index=True)
        block = vectors[part][order].astype(np.float64)
        sums[present] += np.add.reduceat(block, first, axis=0)
    return sums


def assign_clusters(
    stored: Stored, centroids: Stored, engine: Engine, block_rows: int
) -> npt.NDArray[np.int32]:
    """Return (rows,), int32: the nearest centroid of every row, the lowest among equal ones."""
    no_ranks = np.empty((0, len(centroids)))
    return engine.margins(stored, centroids, no_ranks, block_rows).nearest_test_row


def find_duplicates(
    chunks: Sequence[Stored],
    clusters: npt.NDArray[np.int32],
    threshold: float,
    block_rows: int,
    rows_in_memory: int,
) -> Duplicates:
    """Find the duplicates within every cluster.

    Args:
        chunks: Embeddings of the chunks, in order.
        clusters: (samples,), cluster of every sample in the order of (chunk, row).
        threshold: A sample is a duplicate iff a similarity exceeds this (strictly).
        block_rows: Samples per side of a product.
        rows_in_memory: Clusters are read together up to this many samples, so that the files are
            read nearly in sequence. A larger cluster is read block by block.

    Returns:
        The duplicates; they depend neither on ``block_rows`` nor on ``rows_in_memory``.
    """
    samples = Samples(chunks)
    result = Duplicates(
        np.full(len(samples), -1, np.int64), np.full(len(samples), np.nan, np.float32)
    )
    # A stable sort leaves the members of a cluster in the order of (chunk, row).
    order = np.argsort(clusters, kind="stable")
    _, sizes = np.unique(clusters, return_counts=True)
    with tqdm(total=len(samples), unit="sample", unit_scale=True, mininterval=5) as bar:
        for group in _groups(sizes, rows_in_memory):
            members = order[group[0] : group[-1]]
            take: Take = samples.take
            if len(members) <= rows_in_memory:
                take = _from_memory(samples.take(members), members)
            for start, end in pairwise(group):
                cluster = order[start:end]
                original, similarity = _duplicates_in_cluster(cluster, take, threshold, block_rows)
                dropped = original >= 0
                result.original[cluster[dropped]] = cluster[original[dropped]]
                result.similarity[cluster[dropped]] = similarity[dropped]
                bar.update(len(cluster))
    return result


def _groups(sizes: Rows, limit: int) -> Iterator[list[int]]:
    """Yield the bounds of consecutive clusters that hold at most ``limit`` samples together."""
    bounds = [0]
    for end in np.cumsum(sizes).tolist():
        if end - bounds[0] > limit and len(bounds) > 1:
            yield bounds
            bounds = [bounds[-1]]
        bounds.append(end)
    if len(bounds) > 1:
        yield bounds


def _from_memory(vectors: Stored, samples: Rows) -> Take:
    """Return a ``Take`` that serves ``samples`` from ``vectors``, which holds them in order."""
    order = np.argsort(samples)
    ascending = samples[order]
    return lambda wanted: vectors[order[np.searchsorted(ascending, wanted)]]


def _duplicates_in_cluster(
    members: Rows, take: Take, threshold: float, block_rows: int
) -> tuple[Rows, Float64]:
    """Return for each member the place of the most similar earlier one above the threshold.

    Returns:
        original: (members,), place in ``members`` or -1.
        similarity: (members,), float64, meaningful where there is an original.
    """
    first = _first_of_equal(members, take, block_rows)
    original = np.full(len(members), -1, np.int64)
    similarity = np.zeros(len(members))
    # Bitwise equal vectors have equal similarities: compare one of each, so that a thousand
    # copies of one image do not make a million pairs.
    distinct = np.flatnonzero(first == np.arange(len(members)))
    for start in range(0, len(distinct), block_rows):
        later = distinct[start : start + block_rows]
        place, best = _nearest_earlier(
            members, distinct[: start + block_rows], later, take, threshold, block_rows
        )
        original[later], similarity[later] = place, best
    copies = np.flatnonzero(first != np.arange(len(members)))
    source = first[copies]
    # A copy has similarity 1 to its first; an earlier vector that is parallel to it ties.
    tied = (original[source] >= 0) & (similarity[source] == 1.0)
    if threshold < 1.0:
        original[copies] = np.where(tied, original[source], source)
        similarity[copies] = 1.0
    return original, similarity


def _first_of_equal(members: Rows, take: Take, block_rows: int) -> Rows:
    """Return for each member the place of the first one whose vector is bitwise equal."""
    seen: dict[bytes, int] = {}
    first = np.empty(len(members), np.int64)
    for start in range(0, len(members), block_rows):
        for place, vector in enumerate(take(members[start : start + block_rows]), start):
            digest = hashlib.blake2b(vector.tobytes(), digest_size=16).digest()
            first[place] = seen.setdefault(digest, place)
    return first


def _nearest_earlier(
    members: Rows, earlier: Rows, later: Rows, take: Take, threshold: float, block_rows: int
) -> tuple[Rows, Float64]:
    """Compare a block of members to all earlier ones.

    Args:
        members: Samples of the cluster.
        earlier: Places of what to compare to, ascending; ends with ``later``.
        later: Places of the block, ascending.
        take: Reads vectors.
        threshold: As in ``find_duplicates``.
        block_rows: As in ``find_duplicates``.

    Returns:
        (later,): place of the most similar earlier member above the threshold (the earliest among
        equal ones) or -1, and the similarity.
    """
    columns = take(members[later])
    product = torch.from_numpy(normalised(columns)).T
    winners = ColumnWinners(len(later), "cpu", floor=threshold)
    for start in range(0, len(earlier), block_rows):
        tile = earlier[start : start + block_rows]
        scores = torch.from_numpy(normalised(take(members[tile]))) @ product
        if tile[-1] >= later[0]:
            scores[torch.from_numpy(tile[:, None] >= later[None, :])] = -torch.inf
        winners.add(scores, start)
    rows, places = winners.pairs()
    place = np.full(len(later), -1, np.int64)
    similarity = np.zeros(len(later))
    if len(rows):
        wanted, inverse = np.unique(rows, return_inverse=True)
        vectors = take(members[earlier[wanted]])
        exact = pair_similarity(vectors, inverse, columns, places)
        column, row, best = best_per_group(places, rows, exact)
        above = best > threshold
        place[column[above]] = earlier[row[above]]
        similarity[column[above]] = best[above]
    return place, similarity
