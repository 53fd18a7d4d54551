"""A small classifier that the workflow trains on the reference first."""

from typing import Literal

from pydantic import Field

from gapmatch.evaluate.classifier import Classifier, ClassifierSettings


class TrainedClassifier(ClassifierSettings):
    """A small classifier that the workflow trains on the reference first."""

    kind: Literal["trained"] = Field(
        "trained", description="Train the classifier on the reference."
    )
    model: str = Field("test_resnet", description="Model name of timm that takes any image size.")
    image_size: int = Field(
        64, ge=32, le=512, description="Side of the images in training and evaluation, pixels."
    )
    epochs: int = Field(30, ge=1, description="Passes over the reference.")
    batch_size: int = Field(64, ge=2, description="Samples per batch.")
    lr: float = Field(4e-3, gt=0, description="Peak learning rate (AdamW, cosine schedule).")
    weight_decay: float = Field(0.05, ge=0, description="Weight decay.")
    seed: int = Field(0, ge=0, description="Seed of weights, order and augmentation.")

    def weights(self, name: str, root: str) -> str:
        """Return the output of the rule train_classifier."""
        return f"{root}/classifiers/{name}/model.pt"


CLASSIFIER = Classifier(TrainedClassifier)
