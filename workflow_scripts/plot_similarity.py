"""Plot nearest-neighbour similarity: the gap of pool and reference, and what matching does."""

import argparse
from pathlib import Path

from gapmatch.figures import similarity, style
from gapmatch.running.command_line import run
from gapmatch.tables.tables import read_csv


def main() -> None:
    """Parse the arguments, draw both figures, save them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--gap", type=Path, required=True, help="CSV of tabulate_similarity.py: pool and reference"
    )
    parser.add_argument(
        "--pruned", type=Path, required=True, help="CSV of tabulate_similarity.py: before and after"
    )
    parser.add_argument(
        "--out-gap",
        type=Path,
        required=True,
        help="figure of pool against reference, without suffix: .pdf, .png and .csv are added",
    )
    parser.add_argument(
        "--out-pruned",
        type=Path,
        required=True,
        help="figure before and after gap matching, without suffix",
    )
    arguments = parser.parse_args()
    gap = read_csv(arguments.gap, similarity.GAP_SCHEMA)
    style.save(similarity.draw_similarity_gap(gap), gap, arguments.out_gap)
    pruned = read_csv(arguments.pruned, similarity.PRUNED_SCHEMA)
    style.save(similarity.draw_similarity_pruned(pruned), pruned, arguments.out_pruned)


if __name__ == "__main__":
    run(main)
