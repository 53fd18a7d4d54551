"""A classifier of timm with its published weights."""

from typing import Literal

from pydantic import Field

from gapmatch.evaluate.classifier import Classifier, ClassifierSettings


class PublishedClassifier(ClassifierSettings):
    """A classifier of timm with its published weights."""

    kind: Literal["timm"] = Field("timm", description="A classifier whose weights timm can fetch.")
    model: str = Field(description="Model name with its weights' tag, e.g. resnet50.tv_in1k.")


CLASSIFIER = Classifier(PublishedClassifier)
