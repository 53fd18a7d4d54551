"""The files of what a subset keeps: rows of each chunk."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.data.embedding_files import EmbeddedChunk, read_metadata
from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns

Rows = npt.NDArray[np.int32]


def kept_path(folder: Path, chunk: str) -> Path:
    """Return the path of a chunk's kept samples."""
    return folder / f"kept_{chunk}.parquet"


def write_kept(folder: Path, files: EmbeddedChunk, rows: Rows, embedded: int) -> None:
    """Write the kept rows of a chunk, with shard and key.

    Args:
        folder: Of the subset's kept rows.
        files: The chunk.
        rows: Its kept rows, ascending.
        embedded: All its rows.

    Raises:
        InputError: The chunk's metadata is missing or not aligned to its embeddings.
    """
    metadata = read_metadata(files, ["shard", "image_path"], embedded)
    table = pl.DataFrame({"row": rows}, schema={"row": pl.Int32})
    names = metadata[rows].select("shard", "image_path")
    write_parquet(kept_path(folder, files.chunk), table.hstack(names))


def read_kept(folder: Path, chunk: str, rows: int) -> npt.NDArray[np.int32]:
    """Return the kept rows of a chunk, ascending.

    Raises:
        InputError: The file is missing, or names a row that the chunk does not have.
    """
    path = kept_path(folder, chunk)
    kept: npt.NDArray[np.int32] = read_columns(path, ["row"])["row"].to_numpy()
    if len(kept) and (kept.min() < 0 or kept.max() >= rows):
        raise InputError(
            f"{path}: names row {kept.max()} but its chunk has {rows} rows; select again."
        )
    return kept
