"""A model of open_clip with weights in a file on disk."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.embed.embedder import Embedder, EmbedderSettings, GivenEmbeddings


class CheckpointEmbedder(EmbedderSettings):
    """Weights in a file on disk."""

    kind: Literal["checkpoint"] = Field("checkpoint", description="Weights in a file.")
    model: str = Field(
        description="Model name of open_clip, or local-dir:FOLDER with an open_clip_config.json."
    )
    checkpoint: Path = Field(description="File of weights (state dict, loaded without pickle).")
    pool_embeddings: GivenEmbeddings = None


EMBEDDER = Embedder(settings=CheckpointEmbedder)
