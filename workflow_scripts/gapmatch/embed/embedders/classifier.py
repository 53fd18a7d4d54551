"""A classifier that the workflow trains: its features before the last layer."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from gapmatch.embed.embedder import Embedder, EmbedderSettings
from gapmatch.kinds.section import Name


class ClassifierEmbedder(EmbedderSettings):
    """A classifier that the workflow trains: its features before the last layer."""

    library: ClassVar[str] = "timm"

    kind: Literal["classifier"] = Field("classifier", description="A classifier of this study.")
    classifier: Name = Field(description="Name of a classifier of kind trained.")

    def weights(self, name: str, root: str) -> str:
        """Return the output of the rule train_classifier."""
        return f"{root}/classifiers/{self.classifier}/model.pt"

    def encoder(self, classifiers: Mapping[str, Any]) -> dict[str, object]:
        """Return the options of the classifier's model."""
        trained = classifiers[self.classifier].model_dump(include={"model", "image_size"})
        return {"library": self.library, **trained}


EMBEDDER = Embedder(settings=ClassifierEmbedder)
