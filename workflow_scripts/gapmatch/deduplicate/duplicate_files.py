"""The files of the deduplication: duplicates by part and then by chunk."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.data.embedding_files import require_rows
from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError, first_line
from gapmatch.running.result_files import read_columns

if TYPE_CHECKING:
    # Not at run time: who only reads these files need not wait for torch.
    from gapmatch.deduplicate.deduplication import Duplicates

PART_SCHEMA = pl.Schema(
    {
        "chunk": pl.Int32,
        "row": pl.Int32,
        "original_chunk": pl.Int32,
        "original_row": pl.Int32,
        "similarity": pl.Float32,
    }
)


def duplicates_path(folder: Path, chunk: str) -> Path:
    """Return the path of a chunk's duplicates."""
    return folder / f"duplicates_{chunk}.parquet"


def write_part(path: Path, starts: npt.NDArray[np.int64], found: "Duplicates") -> None:
    """Write the samples of a part that are dropped, ascending.

    Columns: chunk and row of the sample, original_chunk and original_row, similarity; chunks are
    numbered from 0.

    Args:
        path: The file to write.
        starts: (chunks + 1,), first sample of each chunk, and their number.
        found: What to write.
    """

    def place(samples: npt.NDArray[np.int64]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        # Empty chunks share their start with the next: the last start that is not larger counts.
        chunk = np.searchsorted(starts, samples, side="right") - 1
        return chunk, samples - starts[chunk]

    chunk, row = place(found.sample)
    original_chunk, original_row = place(found.original)
    table = pl.DataFrame(
        {
            "chunk": chunk,
            "row": row,
            "original_chunk": original_chunk,
            "original_row": original_row,
            "similarity": found.similarity,
        }
    )
    write_parquet(path, table.cast(PART_SCHEMA))


def collect_duplicates(
    parts: Sequence[Path], chunks: Sequence[str], number: int, rows: int
) -> pl.DataFrame:
    """Return what every row of a chunk duplicates.

    Args:
        parts: Outputs of ``write_part`` for all clusters.
        chunks: Chunk ids, ascending.
        number: Which of them.
        rows: Number of its rows.

    Returns:
        Columns row int32, kept bool, and where dropped duplicate_of_chunk str, duplicate_of_row
        int32, similarity float32 (null where kept).

    Raises:
        InputError: A part is missing, not a part, or names a row that the chunk does not have.
    """
    try:
        found = [
            # Parts are sorted by chunk: of most of a file only the statistics are read.
            pl.scan_parquet(path).filter(pl.col("chunk") == number).collect()
            for path in parts
        ]
        dropped = pl.concat(found).select(list(PART_SCHEMA)).cast(PART_SCHEMA)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{parts[0].parent}: expected the duplicates of all parts with the columns "
            f"{', '.join(PART_SCHEMA)} ({first_line(error)})."
        ) from error
    if (dropped["row"] >= rows).any():
        raise InputError(
            f"{parts[0].parent}: names row {rows} or more of chunk {chunks[number]}, which has "
            f"{rows} rows; it belongs to other embeddings, make it again."
        )
    names = pl.DataFrame(
        {"original_chunk": np.arange(len(chunks), dtype=np.int32), "duplicate_of_chunk": chunks}
    )
    return (
        pl.DataFrame({"row": np.arange(rows, dtype=np.int32)})
        .join(dropped.join(names, on="original_chunk"), on="row", how="left", maintain_order="left")
        .select(
            "row",
            pl.col("original_row").is_null().alias("kept"),
            "duplicate_of_chunk",
            pl.col("original_row").alias("duplicate_of_row"),
            "similarity",
        )
    )


def read_not_duplicates(folder: Path, chunk: str, rows: int) -> npt.NDArray[np.bool_]:
    """Return (rows,), bool: which rows of a chunk deduplication kept.

    Raises:
        InputError: The file is missing or has another number of rows.
    """
    path = duplicates_path(folder, chunk)
    table = read_columns(path, ["kept"])
    require_rows(path, len(table), rows)
    kept: npt.NDArray[np.bool_] = table["kept"].to_numpy().astype(np.bool_)
    return kept
