"""Duplicates within a large dataset: k-means clusters, then comparison inside each cluster.

A sample is dropped iff its similarity to an earlier sample of its cluster, in the order of
(chunk, row), exceeds the threshold. Earlier samples count whether they were dropped or not.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from tqdm import tqdm

from gapmatch.data.embedding_files import Float32, Float64, Samples, Stored
from gapmatch.running.errors import InputError
from gapmatch.similarity.blocks import PROCESS_MB
from gapmatch.similarity.candidates import ColumnCandidates, Rows
from gapmatch.similarity.exact import Vectors, pair_similarity
from gapmatch.similarity.normalising import normalised
from gapmatch.similarity.screening import score_error, screen
from gapmatch.similarity.winners import best_per_group

LEAST_ROWS = 4096

BLOCK_ROWS = 8192

TILE_ROWS, TILE_COLUMNS = 2048, 512
"""Scores of one product: they stay in the cache, and few pairs are in it twice."""

Take = Callable[[Rows], Stored]
"""Returns the stored vectors of given samples, in the order asked."""


@dataclass(frozen=True)
class Duplicates:
    """The samples to drop, ascending, and what they duplicate.

    Samples are counted over all chunks in the order of (chunk, row).

    Attributes:
        sample: (dropped,), int64.
        original: (dropped,), int64: the most similar earlier sample of the same cluster, the
            earliest among equal ones.
        similarity: (dropped,), float32: similarity to it.
    """

    sample: Rows
    original: Rows
    similarity: Float32


def find_duplicates(
    chunks: Sequence[Stored],
    samples: Rows,
    clusters: npt.NDArray[np.int32],
    threshold: float,
    rows_in_memory: int,
    block_rows: int = BLOCK_ROWS,
) -> Duplicates:
    """Find the duplicates within some clusters.

    Vectors that are bitwise equal have the same nearest centroid, so they are in one cluster:
    exact copies are found wherever they are.

    Args:
        chunks: Embeddings of all chunks, in order.
        samples: (n,), all samples of the clusters, ascending.
        clusters: (n,), cluster of each.
        threshold: A sample is a duplicate iff a similarity exceeds this (strictly).
        rows_in_memory: Clusters are read together up to this many samples, so that the files are
            read nearly in sequence. A larger cluster is read block by block.
        block_rows: Samples that are normalised together.

    Returns:
        The duplicates; they depend neither on ``rows_in_memory`` nor on ``block_rows``.
    """
    take_any = Samples(chunks).take
    original = np.full(len(samples), -1, np.int64)
    similarity = np.empty(len(samples), np.float32)
    # A stable sort leaves the members of a cluster in the order of (chunk, row).
    order = np.argsort(clusters, kind="stable")
    _, sizes = np.unique(clusters, return_counts=True)
    with tqdm(total=len(samples), unit="sample", unit_scale=True, mininterval=5) as bar:
        for group in _groups(sizes, rows_in_memory):
            members = samples[order[group[0] : group[-1]]]
            take: Take = take_any
            if len(members) <= rows_in_memory:
                take = _from_memory(take_any(members), members)
            for start, end in pairwise(group):
                places = order[start:end]
                cluster = samples[places]
                first, best = _duplicates_in_cluster(cluster, take, threshold, block_rows)
                dropped = first >= 0
                original[places[dropped]] = cluster[first[dropped]]
                similarity[places[dropped]] = best[dropped]
                bar.update(len(cluster))
    dropped = original >= 0
    return Duplicates(samples[dropped], original[dropped], similarity[dropped])


def rows_that_fit(max_memory_mb: int, chunk: Stored, samples: int) -> int:
    """Return how many vectors may be in memory at one time.

    Args:
        max_memory_mb: What the process may take, in MiB.
        chunk: Any chunk, for the size of a vector.
        samples: Samples of the part, of which some numbers are always in memory.

    Raises:
        InputError: Not even a block fits.
    """
    # Per sample: itself, cluster, order, original and similarity, and what sorting them needs.
    # Beside them two blocks: as stored, copied and normalised.
    free = max_memory_mb * 2**20 - PROCESS_MB * 2**20 - 64 * samples
    free -= 2 * BLOCK_ROWS * chunk.shape[1] * 8
    # A vector is held once as it was read, and in between once more where it is put in order.
    rows = int(free // (2 * chunk.shape[1] * chunk.itemsize))
    if rows < LEAST_ROWS:
        raise InputError(
            f"compute.search_memory_mb: {max_memory_mb} MiB cannot hold the numbers of {samples} "
            f"samples and {LEAST_ROWS} vectors beside them; raise it, or deduplicate.parts."
        )
    return rows


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
        place, best = _nearest_earlier(members[distinct], start, take, threshold, block_rows)
        found = place >= 0
        original[later[found]], similarity[later] = distinct[place[found]], best
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
    members: Rows, start: int, take: Take, threshold: float, block_rows: int
) -> tuple[Rows, Float64]:
    """Compare a block of a cluster to all earlier members.

    Args:
        members: (n,), samples, no two of them equal.
        start: The block's first member.
        take: Reads vectors.
        threshold: As in ``find_duplicates``.
        block_rows: As in ``find_duplicates``.

    Returns:
        (block,): place of the most similar earlier member above the threshold (the earliest among
        equal ones) or -1, and the similarity.
    """
    stored = take(members[start : start + block_rows])
    block = screen(normalised(stored), torch.float32)
    error = score_error(block, block)
    limits = torch.zeros(1, start + len(stored))
    tiles = [
        ColumnCandidates(len(columns), limits, error, floor=threshold)
        for columns in torch.split(block.vectors, TILE_COLUMNS)
    ]
    for first in range(0, start + 1, block_rows):
        rows = block.vectors
        if first < start:
            rows = normalised(take(members[first : first + block_rows]))
        for tile, winners in enumerate(tiles):
            columns = block.vectors[tile * TILE_COLUMNS : (tile + 1) * TILE_COLUMNS]
            _compare(rows, columns, first, start + tile * TILE_COLUMNS, winners)
    pairs = [winners.pairs() for winners in tiles]
    earlier = np.concatenate([found for found, _ in pairs])
    later = np.concatenate([found + n * TILE_COLUMNS for n, (_, found) in enumerate(pairs)])
    return _best_above(members, earlier, stored, later, take, threshold)


def _compare(
    rows: torch.Tensor,
    columns: torch.Tensor,
    first_row: int,
    first_column: int,
    winners: ColumnCandidates,
) -> None:
    """Add the scores of all pairs in which the row comes before the column."""
    end = first_column + len(columns)
    for start in range(0, min(len(rows), end - first_row), TILE_ROWS):
        tile = rows[start : min(start + TILE_ROWS, end - first_row)]
        scores = tile @ columns.T
        if first_row + start + len(tile) > first_column:
            # Below the diagonal, and on it: later members, and each with itself.
            place = torch.arange(len(tile)) + first_row + start
            scores[place[:, None] >= torch.arange(first_column, end)] = -torch.inf
        winners.add(scores, first_row + start)


def _best_above(
    members: Rows, earlier: Rows, stored: Stored, later: Rows, take: Take, threshold: float
) -> tuple[Rows, Float64]:
    """Choose among candidates (earlier member, place in the block) by exact similarity."""
    place = np.full(len(stored), -1, np.int64)
    similarity = np.zeros(len(stored))
    if len(earlier):
        wanted, inverse = np.unique(earlier, return_inverse=True)
        exact = pair_similarity(Vectors(take(members[wanted])), inverse, Vectors(stored), later)
        column, row, best = best_per_group(later, earlier, exact)
        above = best > threshold
        place[column[above]] = row[above]
        similarity[column[above]] = best[above]
    return place, similarity
