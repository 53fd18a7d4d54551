"""Write the table of subsets: how each was declared, what it keeps, what its certificate says."""

import argparse
from pathlib import Path

from gapmatch.report.counts import count_samples
from gapmatch.running.command_line import run
from gapmatch.tables.captions import read_caption
from gapmatch.tables.subset_table import subset_table
from gapmatch.tables.summaries import read_certificates, read_subsets
from gapmatch.tables.tables import write_table


def named_share(text: str) -> tuple[str, float]:
    """Parse SUBSET=SHARE from the command line, for argparse's ``type``."""
    name, _, share = text.partition("=")
    return name, float(share)


def main() -> None:
    """Parse the arguments, tabulate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--summaries",
        type=Path,
        nargs="+",
        required=True,
        help="summary.json of each subset, in the order of the table",
    )
    parser.add_argument(
        "--certificates",
        type=Path,
        nargs="*",
        default=[],
        help="certificate.json of each gap-matched subset",
    )
    parser.add_argument(
        "--reference-metadata",
        type=Path,
        nargs="+",
        required=True,
        help="metadata parquet of each chunk of the reference: its rows are part of every size",
    )
    parser.add_argument(
        "--reference-shares",
        type=named_share,
        nargs="*",
        default=[],
        metavar="SUBSET=SHARE",
        help="share of the reference that a subset is trained with, where it is not all",
    )
    parser.add_argument("--caption", type=Path, required=True, help="text file with the caption")
    parser.add_argument(
        "--out", type=Path, required=True, help="path without suffix: .csv, .md and .tex are added"
    )
    arguments = parser.parse_args()
    table = subset_table(
        read_subsets(arguments.summaries),
        read_certificates(arguments.certificates),
        count_samples(arguments.reference_metadata),
        dict(arguments.reference_shares),
    )
    caption = read_caption(arguments.caption)
    write_table(table, arguments.out, caption, percent_columns=("pruned_fraction",))


if __name__ == "__main__":
    run(main)
