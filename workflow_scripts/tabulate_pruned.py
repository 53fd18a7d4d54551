"""Write the table of what was pruned, by style and by whether the class is in the tests."""

import argparse
from pathlib import Path

from gapmatch.report.counts import classes_of
from gapmatch.running.command_line import named_path, run
from gapmatch.running.errors import InputError
from gapmatch.tables.captions import read_caption
from gapmatch.tables.composition import count_pruned
from gapmatch.tables.tables import write_table


def main() -> None:
    """Parse the arguments, count, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--metadata",
        type=Path,
        nargs="+",
        required=True,
        help="metadata_<chunk>.parquet of each chunk of the pool",
    )
    parser.add_argument(
        "--kept",
        type=named_path,
        nargs="+",
        required=True,
        metavar="SUBSET=DIR",
        help="folder with kept_<chunk>.parquet of each subset, in the order of the table",
    )
    parser.add_argument(
        "--pool", required=True, help="name of the subset in --kept that keeps the whole pool"
    )
    parser.add_argument(
        "--test-chunks",
        type=Path,
        nargs="+",
        required=True,
        help="chunk.json of each test set, which names its classes",
    )
    parser.add_argument("--caption", type=Path, required=True, help="text file with the caption")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .csv, .md and .tex are added"
    )
    arguments = parser.parse_args()
    kept = dict(arguments.kept)
    if arguments.pool not in kept:
        raise InputError(f"--pool {arguments.pool}: not among --kept, which has {', '.join(kept)}")
    table = count_pruned(
        arguments.metadata, kept, arguments.pool, classes_of(arguments.test_chunks)
    )
    caption = read_caption(arguments.caption)
    write_table(table, arguments.out, caption, percent_columns=("fraction",))


if __name__ == "__main__":
    run(main)
