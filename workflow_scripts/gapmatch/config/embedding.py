"""Embedders: the models whose image embeddings define perceptual similarity."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gapmatch.config.training import TrainingSettings
from gapmatch.kinds.section import Name, Section

GivenEmbeddings = Annotated[
    Path | None,
    Field(
        description="Folder with embeddings of the pool that exist already, in clip-retrieval's "
        "layout (img_emb/, metadata/): found by key, taken instead of computed. Reference and test "
        "sets are embedded with the model."
    ),
]


class PretrainedEmbedder(Section):
    """A model of open_clip with its published weights."""

    kind: Literal["open_clip"] = Field(description="A model that open_clip can fetch.")
    model: str = Field(description="Model name, e.g. ViT-B-16-plus-240.")
    pretrained: str = Field(description="Tag of the weights, e.g. laion400m_e32.")
    pool_embeddings: GivenEmbeddings = None


class CheckpointEmbedder(Section):
    """Weights in a file on disk."""

    kind: Literal["checkpoint"] = Field(description="Weights in a file.")
    model: str = Field(
        description="Model name of open_clip, or local-dir:FOLDER with an open_clip_config.json."
    )
    checkpoint: Path = Field(description="File of weights (state dict, loaded without pickle).")
    pool_embeddings: GivenEmbeddings = None


class TrainedEmbedder(TrainingSettings):
    """A model that the workflow trains on the whole pool first."""

    kind: Literal["trained"] = Field(description="Train the embedder on the whole pool.")
    seed: int = Field(0, ge=0, description="Seed of the embedder's training.")


class TimmEmbedder(Section):
    """An image model of timm: its features before the last layer."""

    kind: Literal["timm"] = Field(description="An image model of timm.")
    model: str = Field(description="Model name with its weights' tag, e.g. resnet101.tv_in1k.")
    checkpoint: Path | None = Field(
        None,
        description="File of weights (state dict, loaded without pickle); null takes the published "
        "ones.",
    )
    pool_embeddings: GivenEmbeddings = None


class ClassifierEmbedder(Section):
    """A classifier that the workflow trains: its features before the last layer."""

    kind: Literal["classifier"] = Field(description="A classifier of this study.")
    classifier: Name = Field(description="Name of a classifier of kind trained.")


Embedder = Annotated[
    PretrainedEmbedder | CheckpointEmbedder | TrainedEmbedder | TimmEmbedder | ClassifierEmbedder,
    Field(discriminator="kind"),
]
