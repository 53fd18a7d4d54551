"""Compute the margins of a pool chunk against a test set: what decides which samples are kept."""

import argparse
from pathlib import Path

from gapmatch.command_line import run
from gapmatch.embedding_files import open_embeddings
from gapmatch.similarity.arguments import add_engine_arguments, positive
from gapmatch.similarity.engine import limit_threads, make_engine
from gapmatch.similarity.tables import margins_table, thresholds, write_table


def main() -> None:
    """Read the thresholds, search one chunk, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=Path, required=True, help="embeddings of the test set")
    parser.add_argument(
        "--reference-neighbours", type=Path, required=True, help="output of search_reference.py"
    )
    parser.add_argument("--pool", type=Path, required=True, help="embeddings of the pool chunk")
    parser.add_argument(
        "--ranks", type=positive, nargs="+", required=True, help="matched ranks K, e.g. 1 5 10"
    )
    add_engine_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="margins_<chunk>.parquet")
    args = parser.parse_args()

    limit_threads(args.threads)
    engine = make_engine(args.engine, args.device)
    tests = open_embeddings(args.tests)
    limits = thresholds(args.reference_neighbours, args.ranks, len(tests))
    found = engine.margins(open_embeddings(args.pool), tests, limits, args.block_rows)
    write_table(args.out, margins_table(found, args.ranks))


if __name__ == "__main__":
    run(main)
