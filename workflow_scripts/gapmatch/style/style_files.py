"""The files of styles: the style of every sample by chunk."""

from pathlib import Path

import polars as pl

from gapmatch.data.embedding_files import require_rows
from gapmatch.running.result_files import read_columns


def styles_path(folder: Path, chunk: str) -> Path:
    """Return the path of the styles of a chunk's samples."""
    return folder / f"styles_{chunk}.parquet"


def read_styles(folder: Path, chunk: str, rows: int) -> pl.Series:
    """Return the style of every row of a chunk; null has none.

    Raises:
        InputError: The file is missing or has another number of rows.
    """
    path = styles_path(folder, chunk)
    styles = read_columns(path, ["style"])["style"]
    require_rows(path, len(styles), rows)
    return styles
