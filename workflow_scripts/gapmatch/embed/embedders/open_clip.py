"""A model of open_clip with its published weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from gapmatch.embed.embedder import Embedder, EmbedderSettings, GivenEmbeddings

if TYPE_CHECKING:
    from gapmatch.embed.encoder_settings import EncoderSettings
    from gapmatch.models.image_encoders import ImageEncoder


class PretrainedEmbedder(EmbedderSettings):
    """A model of open_clip with its published weights."""

    kind: Literal["open_clip"] = Field("open_clip", description="A model that open_clip can fetch.")
    model: str = Field(description="Model name, e.g. ViT-B-16-plus-240.")
    pretrained: str = Field(description="Tag of the weights, e.g. laion400m_e32.")
    pool_embeddings: GivenEmbeddings = None


def load(encoder: EncoderSettings) -> ImageEncoder:
    """Load the image encoder of a CLIP model."""
    # Snakemake imports this module and does not wait for torch.
    from gapmatch.models.image_encoders import clip_encoder
    from gapmatch.models.weights import choose_device

    device = choose_device(encoder.device)
    return clip_encoder(encoder.model, device, encoder.pretrained, encoder.checkpoint)


EMBEDDER = Embedder(settings=PretrainedEmbedder, load=load)
