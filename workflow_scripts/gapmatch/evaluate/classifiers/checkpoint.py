"""A classifier of timm with weights in a file on disk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.evaluate.classifier import Classifier, ClassifierSettings


class CheckpointClassifier(ClassifierSettings):
    """A classifier of timm with weights in a file on disk."""

    kind: Literal["checkpoint"] = Field("checkpoint", description="Weights in a file.")
    model: str = Field(description="Model name of timm, e.g. resnet50.tv_in1k.")
    checkpoint: Path = Field(
        description="File of weights (state dict, loaded without pickle). The size of its last "
        "layer says how many classes it knows."
    )

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the file of weights."""
        yield "checkpoint", self.checkpoint

    def weights(self, name: str, root: str) -> str:
        """Return the file of weights."""
        return str(self.checkpoint)


CLASSIFIER = Classifier(CheckpointClassifier)
