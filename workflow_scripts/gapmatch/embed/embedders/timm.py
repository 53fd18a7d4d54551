"""An image model of timm: its features before the last layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from gapmatch.embed.embedder import Embedder, EmbedderSettings, GivenEmbeddings

if TYPE_CHECKING:
    from gapmatch.embed.encoder_settings import EncoderSettings
    from gapmatch.models.image_encoders import ImageEncoder


class TimmEmbedder(EmbedderSettings):
    """An image model of timm: its features before the last layer."""

    library: ClassVar[str] = "timm"

    kind: Literal["timm"] = Field("timm", description="An image model of timm.")
    model: str = Field(description="Model name with its weights' tag, e.g. resnet101.tv_in1k.")
    checkpoint: Path | None = Field(
        None,
        description="File of weights (state dict, loaded without pickle); null takes the published "
        "ones.",
    )
    pool_embeddings: GivenEmbeddings = None


def load(encoder: EncoderSettings) -> ImageEncoder:
    """Load an image model of timm for its features."""
    # Snakemake imports this module and does not wait for torch.
    from gapmatch.models.image_encoders import timm_encoder
    from gapmatch.models.weights import choose_device

    device = choose_device(encoder.device)
    return timm_encoder(encoder.model, device, encoder.checkpoint, encoder.image_size)


EMBEDDER = Embedder(settings=TimmEmbedder, load=load)
