"""The files of the deduplication: clusters and duplicates, one of each per chunk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.deduplication import Duplicates
from gapmatch.errors import InputError
from gapmatch.similarity.tables import read_table, write_table


def clusters_path(folder: Path, chunk: str) -> Path:
    """Return the path of a chunk's clusters."""
    return folder / f"clusters_{chunk}.parquet"


def duplicates_path(folder: Path, chunk: str) -> Path:
    """Return the path of a chunk's duplicates."""
    return folder / f"duplicates_{chunk}.parquet"


def write_clusters(path: Path, clusters: npt.NDArray[np.int32]) -> None:
    """Write the cluster of every row of a chunk: columns row, cluster (int32)."""
    rows = np.arange(len(clusters), dtype=np.int32)
    write_table(path, pl.DataFrame({"row": rows, "cluster": clusters}))


def read_clusters(
    folder: Path, chunks: Sequence[str], rows: Sequence[int]
) -> npt.NDArray[np.int32]:
    """Read the clusters of all samples in the order of (chunk, row).

    Args:
        folder: Folder of clusters_<chunk>.parquet.
        chunks: Chunk ids, ascending.
        rows: Number of rows of each chunk.

    Returns:
        (samples,), int32.

    Raises:
        InputError: A file is missing or has another number of rows.
    """
    parts = []
    for chunk, count in zip(chunks, rows, strict=True):
        path = clusters_path(folder, chunk)
        table = read_table(path, ["cluster"])
        require_rows(path, len(table), count)
        parts.append(table["cluster"].to_numpy().astype(np.int32))
    return np.concatenate(parts)


def write_duplicates(
    folder: Path, chunks: Sequence[str], starts: npt.NDArray[np.int64], found: Duplicates
) -> None:
    """Write what every sample duplicates, one file per chunk.

    Columns: row int32, kept bool, and where dropped duplicate_of_chunk str, duplicate_of_row
    int32, similarity float32 (null where kept).

    Args:
        folder: Where duplicates_<chunk>.parquet go.
        chunks: Chunk ids, ascending.
        starts: (chunks + 1,), first sample of each chunk, and their number.
        found: The duplicates of all samples.
    """
    names = np.array(chunks)
    for place, chunk in enumerate(chunks):
        part = slice(int(starts[place]), int(starts[place + 1]))
        kept, original = found.kept[part], found.original[part]
        # Empty chunks share their start with the next: the last start that is not larger counts.
        source = np.searchsorted(starts, original, side="right") - 1
        dropped = pl.lit(pl.Series(~kept))
        table = pl.DataFrame(
            {
                "row": np.arange(len(kept), dtype=np.int32),
                "kept": kept,
                "duplicate_of_chunk": names[source],
                "duplicate_of_row": (original - starts[source]).astype(np.int32),
                "similarity": found.similarity[part],
            },
            schema_overrides={"duplicate_of_chunk": pl.String},
        )
        columns = ("duplicate_of_chunk", "duplicate_of_row", "similarity")
        nulled = [pl.when(dropped).then(pl.col(name)).alias(name) for name in columns]
        write_table(duplicates_path(folder, chunk), table.with_columns(nulled))


def read_not_duplicates(folder: Path, chunk: str, rows: int) -> npt.NDArray[np.bool_]:
    """Return (rows,), bool: which rows of a chunk deduplication kept.

    Raises:
        InputError: The file is missing or has another number of rows.
    """
    path = duplicates_path(folder, chunk)
    table = read_table(path, ["kept"])
    require_rows(path, len(table), rows)
    kept: npt.NDArray[np.bool_] = table["kept"].to_numpy().astype(np.bool_)
    return kept


def require_rows(path: Path, found: int, expected: int) -> None:
    """Raise InputError unless a row-aligned file has as many rows as the embeddings."""
    if found != expected:
        raise InputError(
            f"{path}: has {found} rows but the embeddings of its chunk have {expected}; "
            "it belongs to other embeddings, make it again."
        )
