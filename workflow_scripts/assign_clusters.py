"""Assign every sample of a chunk to its nearest centroid."""

from pathlib import Path

from gapmatch.cluster import clustering
from gapmatch.cluster.cluster_files import write_clusters
from gapmatch.data.embedding_files import open_embeddings
from gapmatch.running.command_line import run
from gapmatch.similarity.engines import EngineSettings


def assign_clusters(*, img_emb: Path, centroids: Path, engine: EngineSettings, out: Path) -> None:
    """Assign every sample of a chunk to its nearest centroid.

    Args:
        img_emb: Embeddings of the chunk (.npy).
        centroids: Output of cluster_embeddings.py.
        engine: How to search.
        out: Output: clusters_<chunk>.parquet.
    """
    means = open_embeddings(centroids)
    found = clustering.assign_clusters(open_embeddings(img_emb), means, engine.make())
    write_clusters(out, found)


if __name__ == "__main__":
    run(assign_clusters)
