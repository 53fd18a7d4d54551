"""Merge the nearest neighbours found in the chunks of the pool."""

from pathlib import Path

from gapmatch.running.atomic import write_parquet
from gapmatch.running.command_line import run
from gapmatch.running.option_types import Positive
from gapmatch.running.result_files import read_columns
from gapmatch.search import merging
from gapmatch.search.search_tables import NEIGHBOURS_SCHEMA


def merge_neighbours(*, neighbours: list[Path], k: Positive, out: Path) -> None:
    """Merge the nearest neighbours found in the chunks of the pool.

    Args:
        neighbours: Outputs of search_pool.py.
        k: Neighbours per test image.
        out: Output: pool_neighbours.parquet.
    """
    tables = (read_columns(path, list(NEIGHBOURS_SCHEMA)) for path in neighbours)
    write_parquet(out, merging.merge_neighbours(tables, k))


if __name__ == "__main__":
    run(merge_neighbours)
