"""Reading JSON and parquet files, with an error that names the file and what it lacks."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from gapmatch.running.errors import InputError, first_line


def read_object(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """Read a JSON object and check that it has ``keys``.

    Raises:
        InputError: The file is missing, is not a JSON object or lacks a key.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); make it again") from error
    missing = sorted(set(keys) - set(value)) if isinstance(value, dict) else list(keys)
    if missing or not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object with the keys {', '.join(missing)}")
    return value


def read_columns(path: Path, columns: Sequence[str]) -> pl.DataFrame:
    """Read ``columns`` of a parquet file, all rows, in file order.

    Raises:
        InputError: The file is missing or damaged, or lacks a column.
    """
    try:
        return pl.read_parquet(path, columns=list(columns), glob=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{path}: expected a parquet file with the columns {', '.join(columns)} "
            f"({first_line(error)})"
        ) from error


def count_rows(path: Path) -> int:
    """Number of rows of a parquet file, read from its footer.

    Raises:
        InputError: The file is missing or damaged.
    """
    try:
        return int(pl.scan_parquet(path, glob=False).select(pl.len()).collect().item())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{path}: expected a parquet file ({first_line(error)})") from error
