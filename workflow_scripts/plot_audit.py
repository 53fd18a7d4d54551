"""Plot what gap matching pruned: pictures by class of the test images that they resemble."""

import argparse
from pathlib import Path

from gapmatch.figures import audit, style
from gapmatch.running.command_line import run
from gapmatch.running.result_files import read_columns
from gapmatch.tables.audit import PICTURES_SCHEMA
from gapmatch.tables.pictures import PICTURE


def main() -> None:
    """Parse the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subset", required=True, help="name of the subset, for the title")
    parser.add_argument("--table", type=Path, required=True, help="parquet of tabulate_audit.py")
    parser.add_argument("--credit", default="", help="line under the figure, e.g. of the artists")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    frame = read_columns(arguments.table, [*PICTURES_SCHEMA, PICTURE])
    title = f"Pruned for {arguments.subset}: the classes that lose most"
    figure = audit.draw(frame, title, arguments.credit)
    style.save(figure, frame.drop(PICTURE), arguments.out)


if __name__ == "__main__":
    run(main)
