"""Count the test images that have a duplicate in the pool or in the reference."""

import argparse
from pathlib import Path

from gapmatch.running.command_line import run
from gapmatch.tables.captions import read_caption
from gapmatch.tables.duplicated_tests import FRACTIONS, count_test_duplicates
from gapmatch.tables.summaries import read_nearest
from gapmatch.tables.tables import write_table


def main() -> None:
    """Parse the arguments, count, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--nearest", type=Path, required=True, help="nearest.parquet of the whole pool"
    )
    parser.add_argument(
        "--threshold", type=float, required=True, help="a more similar image is a duplicate"
    )
    parser.add_argument("--caption", type=Path, required=True, help="text file with the caption")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .csv, .md and .tex are added"
    )
    arguments = parser.parse_args()
    table = count_test_duplicates(read_nearest(arguments.nearest), arguments.threshold)
    caption = read_caption(arguments.caption)
    write_table(table, arguments.out, caption, percent_columns=FRACTIONS)


if __name__ == "__main__":
    run(main)
