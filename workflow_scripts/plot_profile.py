"""Plot how similar the nearest ranks of pool and reference are, before and after pruning."""

import argparse
from pathlib import Path

from gapmatch.figures import profile, style
from gapmatch.running.command_line import run
from gapmatch.tables.subset_table import read_training_sets
from gapmatch.tables.tables import read_csv


def main() -> None:
    """Parse the arguments, draw, save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--table", type=Path, required=True, help="CSV of tabulate_profile.py")
    parser.add_argument(
        "--subsets", type=Path, required=True, help="CSV that tabulate_subsets.py wrote"
    )
    parser.add_argument("--baseline", required=True, help="the subset that keeps the whole pool")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .pdf, .png and .csv are added"
    )
    arguments = parser.parse_args()
    frame = read_csv(arguments.table, profile.SCHEMA)
    subsets = read_training_sets(arguments.subsets)
    style.save(profile.draw(frame, subsets, arguments.baseline), frame, arguments.out)


if __name__ == "__main__":
    run(main)
