"""Merge the nearest neighbours found in the chunks of the pool."""

import argparse
from pathlib import Path

from gapmatch.running.atomic import write_parquet
from gapmatch.running.command_line import run
from gapmatch.running.result_files import read_columns
from gapmatch.search.merging import merge_neighbours
from gapmatch.search.search_tables import NEIGHBOURS_SCHEMA
from gapmatch.similarity.arguments import positive


def main() -> None:
    """Read the chunks' files one by one, merge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--neighbours", type=Path, nargs="+", required=True, help="outputs of search_pool.py"
    )
    parser.add_argument("--k", type=positive, required=True, help="neighbours per test image")
    parser.add_argument("--out", type=Path, required=True, help="pool_neighbours.parquet")
    args = parser.parse_args()

    tables = (read_columns(path, list(NEIGHBOURS_SCHEMA)) for path in args.neighbours)
    write_parquet(args.out, merge_neighbours(tables, args.k))


if __name__ == "__main__":
    run(main)
