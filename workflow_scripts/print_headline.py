"""Print what a study found: its headline as text, and where the report is."""

import argparse
from pathlib import Path
from textwrap import fill

from tabulate import tabulate

from gapmatch.report.headline import caution_sentences, headline_sentences
from gapmatch.running.command_line import run
from gapmatch.tables.accuracy import accuracy_matrix, read_accuracy, select_sets
from gapmatch.tables.differences import read_differences
from gapmatch.tables.embedder_table import read_embedder_table
from gapmatch.tables.summaries import read_subsets

WIDTH = 100


def main() -> None:
    """Parse the arguments, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--accuracy", type=Path, required=True, help="CSV that tabulate_accuracy.py wrote"
    )
    parser.add_argument(
        "--differences", type=Path, required=True, help="CSV that tabulate_differences.py wrote"
    )
    parser.add_argument(
        "--embedders", type=Path, required=True, help="CSV that tabulate_embedders.py wrote"
    )
    parser.add_argument(
        "--summaries", type=Path, nargs="+", required=True, help="summary.json of every subset"
    )
    parser.add_argument("--report", type=Path, required=True, help="report to point to")
    parser.add_argument(
        "--sets", nargs="+", help="training sets to print (default: all), in this order"
    )
    arguments = parser.parse_args()
    accuracy = read_accuracy(arguments.accuracy)
    matrix = accuracy_matrix(select_sets(accuracy, arguments.sets))
    differences = read_differences(arguments.differences)
    subsets = read_subsets(arguments.summaries)
    embedders = read_embedder_table(arguments.embedders)
    sentences = [
        *caution_sentences(accuracy, embedders, subsets, arguments.sets),
        *headline_sentences(accuracy, subsets, differences, arguments.sets),
    ]
    align = ["left", *["right"] * (matrix.width - 1)]
    print("Zero-shot top-1 accuracy, % (95 % bootstrap interval over test images)\n")
    print(tabulate(matrix.rows(), matrix.columns, disable_numparse=True, colalign=align))
    print("\n" + "\n".join(fill(text, WIDTH, subsequent_indent="  ") for text in sentences))
    print(f"\nReport: {arguments.report}")


if __name__ == "__main__":
    run(main)
