"""Bin the accuracy of each training set by the similarity of the nearest pool image."""

import argparse
from pathlib import Path

from gapmatch.figures.accuracy_by_similarity import accuracy_by_similarity
from gapmatch.running.atomic import write_text
from gapmatch.running.command_line import run
from gapmatch.tables.summaries import add_evaluation_arguments, chosen_evaluations, read_nearest


def main() -> None:
    """Parse the arguments, bin, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_evaluation_arguments(parser)
    parser.add_argument(
        "--nearest",
        type=Path,
        required=True,
        help="nearest.parquet of the baseline: similarity to the pool before pruning",
    )
    parser.add_argument("--bins", type=int, default=8, help="bins of equally many test images")
    parser.add_argument("--out", type=Path, required=True, help="output (.csv)")
    arguments = parser.parse_args()
    frame = accuracy_by_similarity(
        chosen_evaluations(arguments), read_nearest(arguments.nearest), arguments.bins
    )
    write_text(arguments.out, frame.write_csv())


if __name__ == "__main__":
    run(main)
