"""The files of a clustering: its centroids, and the cluster of every sample by chunk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.data.embedding_files import open_embeddings, require_rows
from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns


def clusters_path(folder: Path, chunk: str) -> Path:
    """Return the path of a chunk's clusters."""
    return folder / f"clusters_{chunk}.parquet"


def write_clusters(path: Path, clusters: npt.NDArray[np.int32]) -> None:
    """Write the cluster of every row of a chunk: columns row, cluster (int32)."""
    rows = np.arange(len(clusters), dtype=np.int32)
    write_parquet(path, pl.DataFrame({"row": rows, "cluster": clusters}))


def read_clusters(folder: Path, chunk: str, rows: int, clusters: int) -> npt.NDArray[np.int32]:
    """Return the cluster of every row of a chunk, (rows,).

    Args:
        folder: Folder of clusters_<chunk>.parquet.
        chunk: Chunk id.
        rows: Rows of its embeddings.
        clusters: Number of all clusters.

    Raises:
        InputError: The file is missing, has another number of rows, or is of other clusters.
    """
    path = clusters_path(folder, chunk)
    found = read_columns(path, ["cluster"])["cluster"]
    require_rows(path, len(found), rows)
    if not found.dtype.is_integer() or not found.is_between(0, clusters - 1).fill_null(False).all():
        raise InputError(
            f"{path}: not each row has one of {clusters} clusters; it belongs to another "
            "clustering, make it again"
        )
    return np.asarray(found.to_numpy(), np.int32)


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
    start, number = 0, number_of_clusters(folder)
    for chunk, count in zip(chunks, rows, strict=True):
        cluster = read_clusters(folder, chunk, count, number)
        wanted = np.flatnonzero((cluster >= clusters.start) & (cluster < clusters.stop))
        samples.append(wanted + start)
        found.append(cluster[wanted])
        start += count
    return np.concatenate(samples), np.concatenate(found)
