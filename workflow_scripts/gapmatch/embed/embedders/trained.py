"""A model of open_clip that the workflow trains on the whole pool first."""

from typing import Literal

from pydantic import Field

from gapmatch.embed.embedder import Embedder, EmbedderSettings
from gapmatch.models.training_settings import TrainingSettings


class TrainedEmbedder(TrainingSettings, EmbedderSettings):
    """A model that the workflow trains on the whole pool first."""

    kind: Literal["trained"] = Field("trained", description="Train the embedder on the whole pool.")
    seed: int = Field(0, ge=0, description="Seed of the embedder's training.")

    def weights(self, name: str, root: str) -> str:
        """Return the output of the rule train_embedder."""
        return f"{root}/embedders/{name}/model.pt"


EMBEDDER = Embedder(settings=TrainedEmbedder)
