"""Plot how much gap matching would prune with fewer other classes in the reference."""

import argparse
from pathlib import Path

from gapmatch.figures import sensitivity, style
from gapmatch.running.command_line import run
from gapmatch.tables.composition import SENSITIVITY_SCHEMA
from gapmatch.tables.tables import read_csv


def main() -> None:
    """Parse the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test-set", required=True, help="name of the test set")
    parser.add_argument("--table", type=Path, required=True, help="CSV of tabulate_sensitivity.py")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    frame = read_csv(arguments.table, SENSITIVITY_SCHEMA)
    style.save(sensitivity.draw(frame, arguments.test_set), frame, arguments.out)


if __name__ == "__main__":
    run(main)
