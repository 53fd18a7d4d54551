"""Search a pool chunk for all test sets: the margins of its samples, and nearest neighbours."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from gapmatch.data.embedding_files import open_embeddings
from gapmatch.running.atomic import write_parquet
from gapmatch.running.command_line import run
from gapmatch.search.margins_file import margins_writer
from gapmatch.search.search_tables import neighbours_table, thresholds
from gapmatch.similarity.arguments import add_engine_arguments, chosen_engine, positive
from gapmatch.similarity.engine import PoolMargins, TestSet


def parse_arguments() -> argparse.Namespace:
    """Parse the command line and check that the test sets' files come in equal numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, required=True, help="embeddings of the pool chunk")
    parser.add_argument("--chunk", required=True, help="its chunk id")
    per_test_set = {
        "--tests": "embeddings of every test set",
        "--reference-neighbours": "for each of them, the output of search_reference.py",
        "--out-margins": "for each of them, its margins_<chunk>.parquet",
        "--out-neighbours": "for each of them, its pool_neighbours_<chunk>.parquet",
    }
    for name, text in per_test_set.items():
        parser.add_argument(name, type=Path, nargs="+", required=True, help=text)
    parser.add_argument(
        "--ranks", type=positive, nargs="+", required=True, help="matched ranks K, e.g. 1 5 10"
    )
    parser.add_argument("--k", type=positive, required=True, help="neighbours per test image")
    add_engine_arguments(parser)
    args = parser.parse_args()
    number = len(args.tests)
    if {len(args.reference_neighbours), len(args.out_margins), len(args.out_neighbours)} != {
        number
    }:
        parser.error(f"--tests names {number} files; all of {', '.join(per_test_set)} must")
    return args


def main() -> None:
    """Read the thresholds, search the chunk once, write as the blocks come."""
    args = parse_arguments()
    engine = chosen_engine(args)
    pool = open_embeddings(args.pool)
    test_sets = []
    for tests, reference in zip(args.tests, args.reference_neighbours, strict=True):
        vectors = open_embeddings(tests)
        test_sets.append(TestSet(vectors, thresholds(reference, args.ranks, len(vectors))))
    with ExitStack() as stack:
        writers = [stack.enter_context(margins_writer(p, args.ranks)) for p in args.out_margins]

        def receive(test_set: int, start: int, margins: PoolMargins) -> None:
            writers[test_set](start, margins)

        found = engine.search(pool, test_sets, args.k, receive)
        for path, neighbours in zip(args.out_neighbours, found, strict=True):
            write_parquet(path, neighbours_table(neighbours, args.chunk))


if __name__ == "__main__":
    run(main)
