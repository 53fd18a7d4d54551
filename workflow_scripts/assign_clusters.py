"""Assign every sample of a chunk to its nearest centroid."""

import argparse
from pathlib import Path

from gapmatch.data.embedding_files import open_embeddings
from gapmatch.deduplicate.clustering import assign_clusters
from gapmatch.deduplicate.duplicate_files import write_clusters
from gapmatch.running.command_line import run
from gapmatch.similarity.arguments import add_engine_arguments, chosen_engine


def main() -> None:
    """Assign one chunk, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embeddings", type=Path, required=True, help="embeddings of the chunk")
    parser.add_argument(
        "--centroids", type=Path, required=True, help="output of cluster_embeddings.py"
    )
    add_engine_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="clusters_<chunk>.parquet")
    args = parser.parse_args()

    engine = chosen_engine(args)
    embeddings, centroids = open_embeddings(args.embeddings), open_embeddings(args.centroids)
    write_clusters(args.out, assign_clusters(embeddings, centroids, engine))


if __name__ == "__main__":
    run(main)
