"""Clusters of the pool."""

from typing import Any

from pydantic import Field

from gapmatch.kinds.section import Name, Section


class Clusters(Section):
    """Clusters of the pool (k-means): subsets of method diverse draw from them."""

    embedder: Name | None = Field(
        None, description="Embedder whose embeddings are clustered; null is that of the search."
    )
    number: int = Field(1000, ge=1, description="Number of clusters.")
    iterations: int = Field(20, ge=1, description="Iterations of the k-means.")
    max_training_samples: int = Field(
        12_800_000, ge=1, description="Most samples that the k-means is trained on; evenly spaced."
    )
    seed: int = Field(0, ge=0, description="Seed of the k-means.")

    def options(self) -> dict[str, Any]:
        """Return the options of cluster_embeddings.py."""
        chosen = self.model_dump(include={"iterations", "max_training_samples", "seed"})
        return {"clusters": self.number, **chosen}
