"""Plot what was pruned, by style and by whether the class is in the tests."""

import argparse
from pathlib import Path

from gapmatch.figures import pruned, style
from gapmatch.running.command_line import run
from gapmatch.tables.composition import read_pruned


def main() -> None:
    """Parse the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--pruned", type=Path, required=True, help="CSV that tabulate_pruned.py wrote"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    frame = read_pruned(arguments.pruned)
    style.save(pruned.draw(frame), frame, arguments.out)


if __name__ == "__main__":
    run(main)
