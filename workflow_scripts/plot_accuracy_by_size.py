"""Plot accuracy against the size of the training set, for every way of pruning."""

import argparse
from pathlib import Path

from gapmatch.figures import accuracy_by_size, style
from gapmatch.running.command_line import run
from gapmatch.tables.accuracy import read_accuracy
from gapmatch.tables.subset_table import read_training_sets


def main() -> None:
    """Parse the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--accuracy", type=Path, required=True, help="CSV that tabulate_accuracy.py wrote"
    )
    parser.add_argument(
        "--subsets", type=Path, required=True, help="CSV that tabulate_subsets.py wrote"
    )
    parser.add_argument(
        "--other-test-sets",
        action="store_true",
        help="show near- and far-pruning on the test sets that did not steer it",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    subsets = read_training_sets(arguments.subsets)
    accuracy = read_accuracy(arguments.accuracy)
    frame = accuracy_by_size.accuracy_by_size(accuracy, subsets, not arguments.other_test_sets)
    style.save(accuracy_by_size.draw(frame, style.palette(subsets)), frame, arguments.out)


if __name__ == "__main__":
    run(main)
