"""Plot pictures of test images beside their nearest neighbours in the pool and the reference."""

import argparse
from pathlib import Path

from gapmatch.figures import neighbours, style
from gapmatch.running.command_line import run
from gapmatch.running.result_files import read_columns
from gapmatch.tables.pictures import PICTURE


def main() -> None:
    """Parse the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test-set", required=True, help="name of the test set, for the title")
    parser.add_argument(
        "--table", type=Path, required=True, help="parquet of tabulate_neighbours.py"
    )
    parser.add_argument("--credit", default="", help="line under the figure, e.g. of the artists")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    frame = read_columns(arguments.table, [*neighbours.SCHEMA, PICTURE])
    shown, known = frame["test_row"].n_unique(), frame["test_images"].max()
    title = f"{arguments.test_set}: {shown} of {known:,} test images"
    figure = neighbours.draw(frame, title, arguments.credit)
    style.save(figure, frame.drop(PICTURE), arguments.out)


if __name__ == "__main__":
    run(main)
