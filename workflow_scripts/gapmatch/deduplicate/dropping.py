"""Finding duplicates in a part of the clusters: from files to a file."""

from pathlib import Path

import torch

from gapmatch.cluster.cluster_files import read_part
from gapmatch.data.embedding_files import Samples, embedded_chunks, open_chunks, open_embeddings
from gapmatch.deduplicate.deduplication import find_duplicates, rows_that_fit
from gapmatch.deduplicate.duplicate_files import write_part
from gapmatch.running.errors import InputError
from gapmatch.running.option_types import Positive


def drop_duplicates(
    *,
    embeddings: Path,
    centroids: Path,
    clusters: Path,
    chunks: list[str],
    threshold: float,
    part: int,
    parts: Positive,
    threads: Positive,
    max_memory_mb: Positive = 4096,
    out: Path,
) -> None:
    """Find the samples that are too similar to an earlier one, in one part of the clusters.

    Args:
        embeddings: Folder of the pool's embeddings.
        centroids: Output of cluster_embeddings.py.
        clusters: Folder of clusters_<chunk>.parquet.
        chunks: Chunk ids.
        threshold: Drop above this similarity, such as 0.876.
        part: This part, from 0.
        parts: Parts that the clusters are divided into.
        threads: Threads to compute with.
        max_memory_mb: Memory of the process in MiB, without pages of mapped files.
        out: Output: dropped_<part>.parquet.
    """
    if not 0 <= part < parts:
        raise InputError(f"--part is {part}; expected 0 to {parts - 1}.")
    torch.set_num_threads(threads)
    files = embedded_chunks(embeddings, chunks)
    stored = open_chunks(files)
    number = len(open_embeddings(centroids))
    first, end = (number * place // parts for place in (part, part + 1))
    sizes = [len(chunk) for chunk in stored]
    ids = [file.chunk for file in files]
    samples, cluster = read_part(clusters, ids, sizes, range(first, end))
    rows = rows_that_fit(max_memory_mb, stored[0], len(samples))
    found = find_duplicates(stored, samples, cluster, threshold, rows)
    write_part(out, Samples(stored).starts, found)
