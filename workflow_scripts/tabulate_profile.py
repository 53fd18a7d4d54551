"""Collect the similarity profiles of the pool before and after each pruning."""

import argparse
from pathlib import Path

import polars as pl

from gapmatch.figures.profile import SCHEMA
from gapmatch.running.atomic import write_text
from gapmatch.running.command_line import named_path, run
from gapmatch.running.result_files import read_columns


def main() -> None:
    """Parse the arguments, collect, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--profiles",
        type=named_path,
        nargs="+",
        required=True,
        metavar="SUBSET=FILE",
        help="profile.parquet of each subset, the one that keeps the whole pool first",
    )
    parser.add_argument("--out", type=Path, required=True, help="output (.csv)")
    arguments = parser.parse_args()
    columns = [name for name in SCHEMA if name != "subset"]
    frames = [
        read_columns(path, columns).select(pl.lit(subset).alias("subset"), *columns)
        for subset, path in arguments.profiles
    ]
    write_text(arguments.out, pl.concat(frames).write_csv())


if __name__ == "__main__":
    run(main)
