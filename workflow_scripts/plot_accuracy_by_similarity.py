"""Plot accuracy against the similarity of the pool's nearest image, per test set."""

import argparse
from pathlib import Path

from gapmatch.command_line import run
from gapmatch.figures import accuracy_by_similarity, style
from gapmatch.result_files import read_evaluations, read_nearest, read_subsets


def main() -> None:
    """Parse the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--evaluations",
        type=Path,
        nargs="+",
        required=True,
        help="evaluation JSONs of the models to show; the parquet beside each is read too",
    )
    parser.add_argument(
        "--nearest",
        type=Path,
        required=True,
        help="nearest.parquet of the subset with method all: similarity to the unpruned pool",
    )
    parser.add_argument(
        "--summaries",
        type=Path,
        nargs="+",
        required=True,
        help="summary.json of every subset of the study, in its order, for the colours",
    )
    parser.add_argument("--bins", type=int, default=8, help="bins of equally many test images")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    frame = accuracy_by_similarity.accuracy_by_similarity(
        read_evaluations(arguments.evaluations), read_nearest(arguments.nearest), arguments.bins
    )
    looks = style.palette(read_subsets(arguments.summaries))
    style.save(accuracy_by_similarity.draw(frame, looks), frame, arguments.out)


if __name__ == "__main__":
    run(main)
