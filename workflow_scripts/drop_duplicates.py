"""Find the samples that are too similar to an earlier one, in one part of the clusters."""

import argparse
from pathlib import Path

import torch

from gapmatch.data.embedding_files import Samples, embedded_chunks, open_chunks, open_embeddings
from gapmatch.deduplicate.deduplication import find_duplicates, rows_that_fit
from gapmatch.deduplicate.duplicate_files import read_part, write_part
from gapmatch.running.command_line import run
from gapmatch.running.errors import InputError
from gapmatch.similarity.arguments import add_memory_argument, add_threads_argument, positive


def main() -> None:
    """Compare within the clusters of one part, write what is dropped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--embeddings", type=Path, required=True, help="folder of the dataset's embeddings"
    )
    parser.add_argument(
        "--centroids", type=Path, required=True, help="output of cluster_embeddings.py"
    )
    parser.add_argument(
        "--clusters", type=Path, required=True, help="folder of clusters_<chunk>.parquet"
    )
    parser.add_argument("--chunks", nargs="+", required=True, help="chunk ids")
    parser.add_argument(
        "--threshold", type=float, required=True, help="drop above this similarity, e.g. 0.876"
    )
    parser.add_argument("--part", type=int, required=True, help="this part, from 0")
    parser.add_argument(
        "--parts", type=positive, required=True, help="that the clusters are divided into"
    )
    add_threads_argument(parser)
    add_memory_argument(parser)
    parser.add_argument("--out", type=Path, required=True, help="dropped_<part>.parquet")
    args = parser.parse_args()
    if not 0 <= args.part < args.parts:
        raise InputError(f"--part is {args.part}; expected 0 to {args.parts - 1}.")

    torch.set_num_threads(args.threads)
    files = embedded_chunks(args.embeddings, args.chunks)
    embeddings = open_chunks(files)
    clusters = len(open_embeddings(args.centroids))
    first, end = (clusters * part // args.parts for part in (args.part, args.part + 1))
    chunks = [file.chunk for file in files]
    sizes = [len(chunk) for chunk in embeddings]
    samples, cluster = read_part(args.clusters, chunks, sizes, range(first, end))
    rows = rows_that_fit(args.max_memory_mb, embeddings[0], len(samples))
    found = find_duplicates(embeddings, samples, cluster, args.threshold, rows)
    write_part(args.out, Samples(embeddings).starts, found)


if __name__ == "__main__":
    run(main)
