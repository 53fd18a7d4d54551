"""Tabulate how far embedders agree on what is pruned: overlap and rank correlation."""

import argparse
from pathlib import Path

from gapmatch.running.command_line import run
from gapmatch.tables.agreement import Folders, tabulate_agreement
from gapmatch.tables.captions import read_caption
from gapmatch.tables.summaries import read_subsets
from gapmatch.tables.tables import write_table


def named_pair(text: str) -> tuple[str, str]:
    """Parse SUBSET=SUBSET from the command line, for argparse's ``type``."""
    one, separator, other = text.partition("=")
    if not (one and separator and other):
        raise argparse.ArgumentTypeError(f"expected SUBSET=SUBSET, got {text!r}")
    return one, other


def main() -> None:
    """Parse the arguments, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--pairs",
        type=named_pair,
        nargs="+",
        required=True,
        metavar="SUBSET=SUBSET",
        help="subsets that differ in nothing but the embedder",
    )
    parser.add_argument(
        "--summaries", type=Path, nargs="+", required=True, help="summary.json of each of them"
    )
    parser.add_argument("--subsets", type=Path, required=True, help="folder of all subsets")
    parser.add_argument("--similarity", type=Path, required=True, help="folder of all embedders")
    parser.add_argument(
        "--whole-pool", required=True, help="name of the subset that keeps the whole pool"
    )
    parser.add_argument("--chunks", nargs="+", required=True, help="chunk ids of the pool")
    parser.add_argument("--caption", type=Path, required=True, help="text file with the caption")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .csv, .md and .tex are added"
    )
    arguments = parser.parse_args()
    folders = Folders(
        arguments.similarity, arguments.subsets, arguments.whole_pool, arguments.chunks
    )
    table = tabulate_agreement(arguments.pairs, read_subsets(arguments.summaries), folders)
    write_table(table, arguments.out, read_caption(arguments.caption))


if __name__ == "__main__":
    run(main)
