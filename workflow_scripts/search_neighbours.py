"""Find the nearest pool images of every test image within one chunk of the pool."""

import argparse
from pathlib import Path

from gapmatch.command_line import run
from gapmatch.embedding_files import open_embeddings
from gapmatch.similarity.arguments import add_engine_arguments, positive
from gapmatch.similarity.engine import limit_threads, make_engine
from gapmatch.similarity.tables import neighbours_table, write_table


def main() -> None:
    """Search one chunk, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=Path, required=True, help="embeddings of the test set")
    parser.add_argument("--pool", type=Path, required=True, help="embeddings of the pool chunk")
    parser.add_argument("--chunk", required=True, help="chunk id, written beside every neighbour")
    parser.add_argument("--k", type=positive, required=True, help="neighbours per test image")
    add_engine_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="pool_neighbours_<chunk>.parquet")
    args = parser.parse_args()

    limit_threads(args.threads)
    engine = make_engine(args.engine, args.device)
    tests, pool = open_embeddings(args.tests), open_embeddings(args.pool)
    found = engine.neighbours(tests, pool, args.k, args.block_rows)
    write_table(args.out, neighbours_table(found, args.chunk))


if __name__ == "__main__":
    run(main)
