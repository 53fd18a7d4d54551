"""One list of nearest neighbours from those of many chunks."""

from collections.abc import Iterable

import polars as pl

from gapmatch.search.search_tables import NEIGHBOURS_SCHEMA


def merge_neighbours(tables: Iterable[pl.DataFrame], k: int) -> pl.DataFrame:
    """Return the k nearest of all chunks for each test image.

    Equal similarities are ordered by (chunk, row), so the order of ``tables`` does not matter.
    Tables are taken in one by one: memory holds the neighbours of two chunks at most.

    Args:
        tables: Tables of ``NEIGHBOURS_SCHEMA``, each with the k nearest of its chunk.
        k: Neighbours to keep per test image; fewer where the chunks hold fewer.

    Returns:
        Table of ``NEIGHBOURS_SCHEMA``.
    """
    merged = pl.DataFrame(schema=NEIGHBOURS_SCHEMA)
    for table in tables:
        both = pl.concat([merged, table.select(list(NEIGHBOURS_SCHEMA))])
        merged = (
            both.sort(
                ["test_row", "similarity", "chunk", "row"], descending=[False, True, False, False]
            )
            .with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over("test_row"))
            .filter(pl.col("rank") <= k)
        )
    return merged
