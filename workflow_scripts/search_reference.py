"""Find the nearest reference images of every image of a test set."""

import argparse
from pathlib import Path

from gapmatch.data.embedding_files import embedded_chunks, open_chunks, open_embeddings
from gapmatch.running.atomic import write_parquet
from gapmatch.running.command_line import run
from gapmatch.running.errors import InputError
from gapmatch.search.merging import merge_neighbours
from gapmatch.search.search_tables import neighbours_table
from gapmatch.similarity.arguments import add_engine_arguments, chosen_engine, positive
from gapmatch.similarity.engine import find_neighbours


def main() -> None:
    """Search the chunks of the reference one by one, merge, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tests", type=Path, required=True, help="embeddings of the test set")
    parser.add_argument(
        "--reference", type=Path, required=True, help="folder of the reference's embeddings"
    )
    parser.add_argument("--chunks", nargs="+", required=True, help="chunk ids of the reference")
    parser.add_argument("--k", type=positive, required=True, help="neighbours per test image")
    add_engine_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="reference_neighbours.parquet")
    args = parser.parse_args()

    engine = chosen_engine(args)
    tests = open_embeddings(args.tests)
    files = embedded_chunks(args.reference, args.chunks)
    reference = open_chunks(files)
    rows = sum(len(chunk) for chunk in reference)
    if args.k > rows:
        raise InputError(
            f"search.reference_neighbours is {args.k} but the reference {args.reference} holds "
            f"only {rows} images; lower it to at most {rows}."
        )
    tables = (
        neighbours_table(find_neighbours(engine, tests, stored, args.k), file.chunk)
        for file, stored in zip(files, reference, strict=True)
    )
    write_parquet(args.out, merge_neighbours(tables, args.k))


if __name__ == "__main__":
    run(main)
