"""Plot accuracy against the size of the training set, for every way of pruning."""

import argparse
from pathlib import Path

from gapmatch.accuracy import read_accuracy
from gapmatch.command_line import run
from gapmatch.counts import count_samples
from gapmatch.figures import accuracy_by_size, style
from gapmatch.result_files import read_subsets


def main() -> None:
    """Parse the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--accuracy", type=Path, required=True, help="CSV that tabulate_accuracy.py wrote"
    )
    parser.add_argument(
        "--summaries",
        type=Path,
        nargs="+",
        required=True,
        help="summary.json of every subset of the study, in its order",
    )
    parser.add_argument(
        "--reference-metadata",
        type=Path,
        nargs="+",
        required=True,
        help="metadata parquet of each chunk of the reference: its rows are part of every size",
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    subsets = read_subsets(arguments.summaries)
    frame = accuracy_by_size.accuracy_by_size(
        read_accuracy(arguments.accuracy), subsets, count_samples(arguments.reference_metadata)
    )
    style.save(accuracy_by_size.draw(frame, style.palette(subsets)), frame, arguments.out)


if __name__ == "__main__":
    run(main)
