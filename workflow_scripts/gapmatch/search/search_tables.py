"""The parquet files of search results."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from gapmatch.data.embedding_files import Float64
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns
from gapmatch.similarity.engine import Neighbours

NEIGHBOURS_SCHEMA = {
    "test_row": pl.Int32,
    "rank": pl.Int32,
    "similarity": pl.Float64,
    "chunk": pl.String,
    "row": pl.Int32,
}
"""One line per test image and rank (1 is nearest), sorted by these two."""


def neighbours_table(found: Neighbours, chunk: str) -> pl.DataFrame:
    """Return the neighbours found in one chunk as a table of ``NEIGHBOURS_SCHEMA``."""
    queries, k = found.row.shape
    return pl.DataFrame(
        {
            "test_row": np.repeat(np.arange(queries, dtype=np.int32), k),
            "rank": np.tile(np.arange(1, k + 1, dtype=np.int32), queries),
            "similarity": found.similarity.ravel(),
            "chunk": pl.repeat(chunk, queries * k, dtype=pl.String, eager=True),
            "row": found.row.ravel(),
        },
        schema=NEIGHBOURS_SCHEMA,
    )


def thresholds(path: Path, ranks: Sequence[int], tests: int) -> Float64:
    """Read s_i^(K)(R), the similarity of every test image's K-th nearest reference image.

    Args:
        path: A reference_neighbours.parquet.
        ranks: The ranks K.
        tests: Number of test images.

    Returns:
        (ranks, tests), float64.

    Raises:
        InputError: A rank was not searched, or the file is about other test images.
    """
    table = read_columns(path, ["test_row", "rank", "similarity"])
    rows = table["test_row"].n_unique()
    if rows != tests:
        raise InputError(
            f"{path}: holds neighbours of {rows} test images, expected {tests}; search again."
        )
    found = np.empty((len(ranks), tests), dtype=np.float64)
    for place, rank in enumerate(ranks):
        chosen = table.filter(pl.col("rank") == rank).sort("test_row")
        if not np.array_equal(chosen["test_row"].to_numpy(), np.arange(tests)):
            raise InputError(
                f"{path}: holds no rank {rank} for every test image; set "
                f"search.reference_neighbours to at least {rank}."
            )
        found[place] = chosen["similarity"].to_numpy()
    return found


def margin_column(rank: int) -> str:
    """Return the name of the column that holds the margins of a rank."""
    return f"margin_rank_{rank}"


def margins_path(folder: Path, chunk: str) -> Path:
    """Return the path of a pool chunk's margins below similarity/<embedder>/<test set>/."""
    return folder / "margins" / f"margins_{chunk}.parquet"
