"""Plot what is pruned, and accuracy, against the offset and the rank of gap matching."""

import argparse
from pathlib import Path

from gapmatch.figures import dose_response, style
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
    parser.add_argument("--baseline", required=True, help="the subset that keeps the whole pool")
    parser.add_argument("--reference-only", required=True, help="the subset that keeps none of it")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    frame = dose_response.dose_response(
        read_accuracy(arguments.accuracy),
        read_training_sets(arguments.subsets),
        (arguments.baseline, arguments.reference_only),
    )
    style.save(dose_response.draw(frame), frame, arguments.out)


if __name__ == "__main__":
    run(main)
