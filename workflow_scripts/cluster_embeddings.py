"""Cluster a dataset's embeddings by k-means, as the first step of deduplication."""

import argparse
from pathlib import Path

import numpy as np

from gapmatch.data.embedding_files import embedded_chunks, open_chunks
from gapmatch.deduplicate.clustering import train_centroids
from gapmatch.running.atomic import atomic_path
from gapmatch.running.command_line import run
from gapmatch.similarity.arguments import add_engine_arguments, chosen_engine, positive


def main() -> None:
    """Train on a sample of all chunks, write the centroids."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--embeddings", type=Path, required=True, help="folder of the dataset's embeddings"
    )
    parser.add_argument("--chunks", nargs="+", required=True, help="chunk ids")
    parser.add_argument("--clusters", type=positive, required=True, help="number of clusters")
    parser.add_argument("--iterations", type=positive, required=True, help="of k-means")
    parser.add_argument(
        "--max-training-samples",
        type=positive,
        required=True,
        help="train on at most this many samples, taken evenly over the chunks",
    )
    parser.add_argument("--seed", type=int, required=True, help="seed of the first centroids")
    add_engine_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="centroids.npy")
    args = parser.parse_args()

    chunks = open_chunks(embedded_chunks(args.embeddings, args.chunks))
    centroids = train_centroids(
        chunks,
        args.clusters,
        args.iterations,
        args.max_training_samples,
        args.seed,
        chosen_engine(args),
    )
    with atomic_path(args.out) as temporary, temporary.open("wb") as file:
        np.save(file, centroids, allow_pickle=False)


if __name__ == "__main__":
    run(main)
