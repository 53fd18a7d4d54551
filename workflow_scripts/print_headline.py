"""Print the headline accuracies as text, and where the report is."""

import argparse
from pathlib import Path

from tabulate import tabulate

from gapmatch.accuracy import accuracy_matrix, read_accuracy, select_sets
from gapmatch.command_line import run


def main() -> None:
    """Parse the arguments, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--accuracy", type=Path, required=True, help="CSV that tabulate_accuracy.py wrote"
    )
    parser.add_argument("--report", type=Path, required=True, help="report to point to")
    parser.add_argument(
        "--sets", nargs="+", help="training sets to print (default: all), in this order"
    )
    arguments = parser.parse_args()
    matrix = accuracy_matrix(select_sets(read_accuracy(arguments.accuracy), arguments.sets))
    align = ["left", *["right"] * (matrix.width - 1)]
    print("Zero-shot top-1 accuracy, % (95 % bootstrap interval over test images)\n")
    print(tabulate(matrix.rows(), matrix.columns, disable_numparse=True, colalign=align))
    print(f"\nReport: {arguments.report}")


if __name__ == "__main__":
    run(main)
