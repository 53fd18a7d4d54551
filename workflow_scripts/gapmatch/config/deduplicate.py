"""Deduplication of the pool."""

from typing import Any

from pydantic import Field

from gapmatch.kinds.section import Name, Section


class Deduplicate(Section):
    """Removal of near duplicates from the pool before anything is selected."""

    embedder: Name = Field("trained", description="Embedder whose similarity finds duplicates.")
    clusters: int = Field(50_000, ge=1, description="Clusters of the k-means.")
    iterations: int = Field(20, ge=1, description="Iterations of the k-means.")
    max_training_samples: int = Field(
        12_800_000, ge=1, description="Samples that the k-means is trained on, at most."
    )
    threshold: float = Field(
        0.876,
        gt=0,
        le=1,
        description="A sample more similar than this to an earlier one of its cluster is dropped. "
        "The default is the paper's, for its embedder; if a small embedder finds images alike that "
        "are not copies, a higher one keeps them.",
    )
    seed: int = Field(0, ge=0, description="Seed of the k-means.")
    parts: int = Field(
        1,
        ge=1,
        description="Jobs that the clusters are divided among. The duplicates do not depend on it, "
        "but a change repeats all that follows from them.",
    )

    def options(self) -> dict[str, Any]:
        """Return the options of cluster_embeddings.py."""
        return self.model_dump(include={"clusters", "iterations", "max_training_samples", "seed"})
