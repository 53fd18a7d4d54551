"""Histograms of nearest-neighbour similarity: of pool and reference, and what matching does."""

import argparse
from pathlib import Path

from gapmatch.figures.similarity import similarity_gap, similarity_pruned
from gapmatch.running.atomic import write_text
from gapmatch.running.command_line import named_path, run
from gapmatch.running.errors import InputError
from gapmatch.tables.summaries import baseline_of, read_nearest, read_subsets


def main() -> None:
    """Parse the arguments, count, write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--summaries",
        type=Path,
        nargs="+",
        required=True,
        help="summary.json of each subset to show; one must keep the whole pool (method all)",
    )
    parser.add_argument(
        "--nearest",
        type=named_path,
        nargs="+",
        required=True,
        metavar="SUBSET=FILE",
        help="nearest.parquet of the subset with method all and of each gap-matched subset",
    )
    parser.add_argument(
        "--out-gap", type=Path, required=True, help="output (.csv): pool against reference"
    )
    parser.add_argument(
        "--out-pruned", type=Path, required=True, help="output (.csv): before and after matching"
    )
    arguments = parser.parse_args()
    subsets = read_subsets(arguments.summaries)
    baseline = baseline_of(subsets)
    nearest = {name: read_nearest(path) for name, path in arguments.nearest}
    matched = [subset for subset in subsets if subset.method == "gap_match"]
    missing = [s.subset for s in (baseline, *matched) if s.subset not in nearest]
    if missing:
        raise InputError(f"--nearest lacks the subsets {', '.join(missing)}")
    gap = similarity_gap(nearest[baseline.subset])
    write_text(arguments.out_gap, gap.write_csv())
    pruned = similarity_pruned(nearest, matched, baseline)
    write_text(arguments.out_pruned, pruned.write_csv())


if __name__ == "__main__":
    run(main)
