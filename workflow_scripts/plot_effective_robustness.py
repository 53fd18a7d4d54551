"""Plot accuracy on each out-of-distribution test set against in-distribution accuracy."""

import argparse
from pathlib import Path

from gapmatch.figures import effective_robustness, style
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
    parser.add_argument("--id-test-set", required=True, help="name of the in-distribution test set")
    parser.add_argument(
        "--classifiers", nargs="*", default=[], help="names of the supervised classifiers"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    subsets = read_training_sets(arguments.subsets)
    frame = effective_robustness.effective_robustness(
        read_accuracy(arguments.accuracy), subsets, arguments.id_test_set, arguments.classifiers
    )
    looks = style.palette(subsets, arguments.classifiers)
    figure = effective_robustness.draw(frame, looks, arguments.id_test_set)
    style.save(figure, frame, arguments.out)


if __name__ == "__main__":
    run(main)
