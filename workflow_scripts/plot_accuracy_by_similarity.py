"""Plot accuracy as a function of the similarity of the nearest pool image."""

import argparse
from pathlib import Path

from gapmatch.figures import accuracy_by_similarity, style
from gapmatch.running.command_line import run
from gapmatch.tables.subset_table import read_training_sets
from gapmatch.tables.tables import read_csv


def main() -> None:
    """Parse the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--table", type=Path, required=True, help="CSV of tabulate_accuracy_by_similarity.py"
    )
    parser.add_argument(
        "--subsets", type=Path, required=True, help="CSV that tabulate_subsets.py wrote"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    frame = read_csv(arguments.table, accuracy_by_similarity.SCHEMA)
    looks = style.palette(read_training_sets(arguments.subsets))
    style.save(accuracy_by_similarity.draw(frame, looks), frame, arguments.out)


if __name__ == "__main__":
    run(main)
