"""Image classifiers that are evaluated beside the CLIP models: the supervised baselines."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gapmatch.kinds.section import Section


class PublishedClassifier(Section):
    """A classifier of timm with its published weights."""

    kind: Literal["timm"] = Field(description="A classifier whose weights timm can fetch.")
    model: str = Field(description="Model name with its weights' tag, e.g. resnet50.tv_in1k.")


class CheckpointClassifier(Section):
    """A classifier of timm with weights in a file on disk."""

    kind: Literal["checkpoint"] = Field(description="Weights in a file.")
    model: str = Field(description="Model name of timm, e.g. resnet50.tv_in1k.")
    checkpoint: Path = Field(
        description="File of weights (state dict, loaded without pickle). The size of its last "
        "layer says how many classes it knows."
    )


class TrainedClassifier(Section):
    """A small classifier that the workflow trains on the reference first."""

    kind: Literal["trained"] = Field(description="Train the classifier on the reference.")
    model: str = Field("test_resnet", description="Model name of timm that takes any image size.")
    image_size: int = Field(
        64, ge=32, le=512, description="Side of the images in training and evaluation, pixels."
    )
    epochs: int = Field(30, ge=1, description="Passes over the reference.")
    batch_size: int = Field(64, ge=2, description="Samples per batch.")
    lr: float = Field(4e-3, gt=0, description="Peak learning rate (AdamW, cosine schedule).")
    weight_decay: float = Field(0.05, ge=0, description="Weight decay.")
    seed: int = Field(0, ge=0, description="Seed of weights, order and augmentation.")


Classifier = Annotated[
    PublishedClassifier | CheckpointClassifier | TrainedClassifier, Field(discriminator="kind")
]
