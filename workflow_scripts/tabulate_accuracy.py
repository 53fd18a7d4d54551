"""Write the table of accuracies: one CSV row per model seed, Markdown and LaTeX over seeds."""

import argparse
from pathlib import Path

from gapmatch.running.command_line import run
from gapmatch.tables.accuracy import accuracy_matrix, accuracy_table
from gapmatch.tables.captions import read_caption
from gapmatch.tables.summaries import add_evaluation_arguments, chosen_evaluations
from gapmatch.tables.tables import write_table


def main() -> None:
    """Parse the arguments, tabulate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_evaluation_arguments(parser)
    parser.add_argument("--caption", type=Path, required=True, help="text file with the caption")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .csv, .md and .tex are added"
    )
    arguments = parser.parse_args()
    table = accuracy_table(chosen_evaluations(arguments))
    caption = read_caption(arguments.caption)
    write_table(table, arguments.out, caption, shown=accuracy_matrix(table))


if __name__ == "__main__":
    run(main)
