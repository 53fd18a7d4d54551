"""Measuring a subset: from its kept rows, embeddings and captions to one file."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from gapmatch.cluster.cluster_files import number_of_clusters, read_clusters
from gapmatch.data.embedding_files import (
    EmbeddedChunk,
    Stored,
    embedded_chunks,
    open_chunks,
    open_embeddings,
    read_metadata,
)
from gapmatch.running.atomic import write_json
from gapmatch.running.option_types import Positive
from gapmatch.subset.diversity import (
    Moments,
    NearestWithin,
    Vocabulary,
    blocks,
    effective_number,
    similarity_interval,
)
from gapmatch.subset.kept_files import Rows, read_kept

SAMPLES = 1000
"""Samples whose nearest others are looked for."""


def measure_subset(
    *,
    subset: str,
    kept: Path,
    embeddings: Path,
    chunks: list[str],
    assigned: Path | None = None,
    threads: Positive = 1,
    out: Path,
) -> None:
    """Measure how diverse the samples are that a subset keeps of the pool.

    Args:
        subset: Its name.
        kept: Folder of kept_<chunk>.parquet.
        embeddings: Folder of the pool's embeddings.
        chunks: Chunk ids of the pool.
        assigned: Folder of clusters_<chunk>.parquet.
        threads: Threads.
        out: Output: diversity.json.
    """
    torch.set_num_threads(threads)
    files = embedded_chunks(embeddings, chunks)
    dim = open_chunks(files)[0].shape[1]
    number = sum(len(rows) for _, _, rows in _kept_rows(files, kept))
    nearest = _samples_to_compare(files, kept, number, dim)
    moments, vocabulary, first = Moments(dim), Vocabulary(), 0
    clusters = np.zeros(number_of_clusters(assigned) if assigned else 0, np.int64)
    bar = tqdm(total=number, unit="sample", unit_scale=True, mininterval=5)
    for chunk, stored, rows in _kept_rows(files, kept):
        vocabulary.add(read_metadata(chunk, ["caption"], len(stored))["caption"][rows])
        if assigned:
            of_chunk = read_clusters(assigned, chunk.chunk, len(stored), len(clusters))[rows]
            clusters += np.bincount(of_chunk, minlength=len(clusters))
        for vectors in blocks(stored, rows):
            moments.add(vectors)
            nearest.add(first, vectors)
            first += len(vectors)
            bar.update(len(vectors))
    bar.close()
    write_json(out, {"subset": subset, **_measures(moments, nearest, vocabulary, clusters)})


def _kept_rows(
    files: list[EmbeddedChunk], kept: Path
) -> Iterator[tuple[EmbeddedChunk, Stored, Rows]]:
    """Yield each chunk with its embeddings and the rows that the subset keeps."""
    for chunk in files:
        stored = open_embeddings(chunk.embeddings)
        yield chunk, stored, read_kept(kept, chunk.chunk, len(stored))


def _samples_to_compare(
    files: list[EmbeddedChunk], kept: Path, number: int, dim: int
) -> NearestWithin:
    """Choose samples at random among the kept ones; the choice depends on their number alone."""
    chosen = np.random.default_rng(0).choice(number, min(number, SAMPLES), replace=False)
    chosen.sort()
    found, first = [torch.zeros(0, dim)], 0
    for _, stored, rows in _kept_rows(files, kept):
        inside = chosen[(chosen >= first) & (chosen < first + len(rows))] - first
        found += blocks(stored, rows[inside])
        first += len(rows)
    return NearestWithin(chosen, torch.cat(found))


def _measures(
    moments: Moments, nearest: NearestWithin, vocabulary: Vocabulary, clusters: np.ndarray
) -> dict[str, object]:
    """Return all measures; null where there are too few samples for one."""
    n = moments.number
    alone = {"n": n, "samples_compared": len(nearest.similarity) if n > 1 else 0}
    similarity = nearest.similarity.double().numpy()
    mean, low, high = similarity_interval(similarity) if n > 1 else (None, None, None)
    return {
        **alone,
        "vendi_score": moments.vendi_score() if n else None,
        "effective_clusters": effective_number(clusters) if n and len(clusters) else None,
        "mean_similarity": moments.mean_similarity(),
        "nearest_similarity": mean,
        "nearest_similarity_low": low,
        "nearest_similarity_high": high,
        "distinct_words": vocabulary.distinct if n else None,
        "word_entropy": vocabulary.entropy() if n else None,
    }
