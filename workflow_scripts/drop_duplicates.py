"""Drop samples that are too similar to an earlier sample of their cluster."""

import argparse
from pathlib import Path

import numpy as np

from gapmatch.atomic import write_json
from gapmatch.command_line import run
from gapmatch.deduplication import Samples, find_duplicates
from gapmatch.duplicate_files import read_clusters, write_duplicates
from gapmatch.embedding_files import embedded_chunks, open_chunks
from gapmatch.similarity.arguments import add_block_arguments, positive
from gapmatch.similarity.engine import limit_threads


def main() -> None:
    """Compare within clusters, write one file per chunk and a summary."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--embeddings", type=Path, required=True, help="folder of the dataset's embeddings"
    )
    parser.add_argument(
        "--clusters", type=Path, required=True, help="folder of clusters_<chunk>.parquet"
    )
    parser.add_argument("--chunks", nargs="+", required=True, help="chunk ids")
    parser.add_argument(
        "--threshold", type=float, required=True, help="drop above this similarity, e.g. 0.876"
    )
    add_block_arguments(parser)
    parser.add_argument(
        "--rows-in-memory",
        type=positive,
        default=1_000_000,
        help="embeddings held at one time (default: %(default)s); more means fewer small reads",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of duplicates")
    parser.add_argument("--summary", type=Path, required=True, help="summary.json")
    args = parser.parse_args()

    limit_threads(args.threads)
    files = embedded_chunks(args.embeddings, args.chunks)
    embeddings = open_chunks(files)
    chunks = [file.chunk for file in files]
    clusters = read_clusters(args.clusters, chunks, [len(chunk) for chunk in embeddings])
    found = find_duplicates(
        embeddings, clusters, args.threshold, args.block_rows, args.rows_in_memory
    )
    write_duplicates(args.out, chunks, Samples(embeddings).starts, found)
    kept = int(found.kept.sum())
    summary = {
        "pool": len(clusters),
        "kept": kept,
        "dropped": len(clusters) - kept,
        "threshold": args.threshold,
        "clusters": len(np.unique(clusters)),
    }
    write_json(args.summary, summary)


if __name__ == "__main__":
    run(main)
