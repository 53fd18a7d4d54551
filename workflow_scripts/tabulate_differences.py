"""Write the table of differences to the baseline, judged on the same images."""

import argparse
from pathlib import Path

from gapmatch.running.command_line import run
from gapmatch.tables.captions import read_caption
from gapmatch.tables.differences import differences, differences_table, shown
from gapmatch.tables.summaries import add_evaluation_arguments, chosen_evaluations
from gapmatch.tables.tables import write_table


def main() -> None:
    """Parse the arguments, tabulate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_evaluation_arguments(parser)
    parser.add_argument("--baseline", required=True, help="training set to compare with")
    parser.add_argument("--reference-only", help="training set that is the reference alone")
    parser.add_argument("--caption", type=Path, required=True, help="text file with the caption")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .csv, .md and .tex are added"
    )
    arguments = parser.parse_args()
    evaluations = chosen_evaluations(arguments)
    rows = differences(evaluations, arguments.baseline, arguments.reference_only)
    caption = read_caption(arguments.caption)
    write_table(differences_table(rows), arguments.out, caption, shown=shown(rows))


if __name__ == "__main__":
    run(main)
