"""Write Table 1: training sets, sizes, accuracies, and published accuracies beside them."""

import argparse
from pathlib import Path

import polars as pl

from gapmatch.running.command_line import run
from gapmatch.tables.accuracy import read_accuracy
from gapmatch.tables.captions import read_caption
from gapmatch.tables.headline_table import PUBLISHED_SCHEMA, headline_table, read_published, shown
from gapmatch.tables.subset_table import read_training_sets
from gapmatch.tables.tables import write_table


def main() -> None:
    """Parse the arguments, join, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--accuracy", type=Path, required=True, help="CSV that tabulate_accuracy.py wrote"
    )
    parser.add_argument(
        "--subsets", type=Path, required=True, help="CSV that tabulate_subsets.py wrote"
    )
    parser.add_argument("--published", type=Path, help="CSV of published accuracies")
    parser.add_argument("--caption", type=Path, required=True, help="text file with the caption")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .csv, .md and .tex are added"
    )
    arguments = parser.parse_args()
    published = pl.DataFrame(schema=PUBLISHED_SCHEMA)
    if arguments.published:
        published = read_published(arguments.published)
    table = headline_table(
        read_accuracy(arguments.accuracy), read_training_sets(arguments.subsets), published
    )
    caption = read_caption(arguments.caption)
    if sources := table["source"].drop_nulls().unique(maintain_order=True).to_list():
        caption = f"{caption} Published: {'; '.join(sources)}."
    write_table(table, arguments.out, caption, shown=shown(table))


if __name__ == "__main__":
    run(main)
