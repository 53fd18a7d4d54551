"""The files of a clustering: its centroids, and the cluster of every sample by chunk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.data.embedding_files import open_embeddings, require_rows
from gapmatch.running.atomic import write_parquet
from gapmatch.running.result_files import read_columns


def clusters_path(folder: Path, chunk: str) -> Path:
    """Return the path of a chunk's clusters."""
    return folder / f"clusters_{chunk}.parquet"


def write_clusters(path: Path, clusters: npt.NDArray[np.int32]) -> None:
    """Write the cluster of every row of a chunk: columns row, cluster (int32)."""
    rows = np.arange(len(clusters), dtype=np.int32)
    write_parquet(path, pl.DataFrame({"row": rows, "cluster": clusters}))


def read_clusters(folder: Path, chunk: str, rows: int) -> npt.NDArray[np.int32]:
    """Return the cluster of every row of a chunk, (rows,).

    Raises:
        InputError: The file is missing or has another number of rows.
    """
    path = clusters_path(folder, chunk)
    clusters: npt.NDArray[np.int32] = read_columns(path, ["cluster"])["cluster"].to_numpy()
    require_rows(path, len(clusters), rows)
    return clusters


def number_of_clusters(folder: Path) -> int:
    """Return the number of clusters, empty ones included.

    Args:
        folder: Folder of clusters_<chunk>.parquet; the centroids lie beside it.
    """
    return len(open_embeddings(folder.parent / "centroids.npy"))


def read_part(
    folder: Path, chunks: Sequence[str], rows: Sequence[int], clusters: range
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Read which samples belong to some of the clusters, chunk by chunk.

    Args:
        folder: Folder of clusters_<chunk>.parquet.
        chunks: Chunk ids, ascending.
        rows: Number of rows of each chunk.
        clusters: The clusters wanted.

    Returns:
        samples: (n,), int64, ascending, counted over all chunks in the order of (chunk, row).
        cluster: (n,), int32, the cluster of each.

    Raises:
        InputError: A file is missing or has another number of rows.
    """
    samples, found = [np.empty(0, np.int64)], [np.empty(0, np.int32)]
    start = 0
    for chunk, count in zip(chunks, rows, strict=True):
        cluster = read_clusters(folder, chunk, count)
        wanted = np.flatnonzero((cluster >= clusters.start) & (cluster < clusters.stop))
        samples.append(wanted + start)
        found.append(cluster[wanted])
        start += count
    return np.concatenate(samples), np.concatenate(found)
