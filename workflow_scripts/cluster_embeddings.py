"""Cluster the pool's embeddings by k-means."""

from pathlib import Path

import numpy as np

from gapmatch.cluster.clustering import train_centroids
from gapmatch.data.embedding_files import embedded_chunks, open_chunks
from gapmatch.running.atomic import atomic_path
from gapmatch.running.command_line import run
from gapmatch.running.option_types import Positive
from gapmatch.similarity.engines import EngineSettings


def cluster_embeddings(
    *,
    embeddings: Path,
    chunks: list[str],
    clusters: Positive,
    iterations: Positive,
    max_training_samples: Positive,
    seed: int,
    engine: EngineSettings,
    out: Path,
) -> None:
    """Cluster the pool's embeddings by k-means.

    Args:
        embeddings: Folder of the pool's embeddings.
        chunks: Chunk ids.
        clusters: Number of clusters.
        iterations: Iterations of k-means.
        max_training_samples: Train on at most this many samples, taken evenly over the chunks.
        seed: Seed of the first centroids.
        engine: How to search.
        out: Output: centroids (.npy).
    """
    stored = open_chunks(embedded_chunks(embeddings, chunks))
    centroids = train_centroids(
        stored, clusters, iterations, max_training_samples, seed, engine.make()
    )
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        np.save(file, centroids, allow_pickle=False)


if __name__ == "__main__":
    run(cluster_embeddings)
