"""Which image encoder to load: options of the programs that embed."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Literal

from gapmatch.embed.embedder import Embedder
from gapmatch.models.image_encoders import ImageEncoder
from gapmatch.running.errors import InputError


@dataclass(frozen=True, kw_only=True)
class EncoderSettings:
    """Which image encoder to load: options of the programs that do.

    Attributes:
        library: Whose model it is: a module of gapmatch/embed/embedders/.
        model: Model of the library; open_clip's may be local-dir:FOLDER.
        pretrained: Tag of published weights (open_clip).
        checkpoint: File of weights; without it, published ones.
        image_size: Side of the model's input, pixels (timm); its own where it is not given.
        device: auto takes a GPU where there is one.
    """

    library: str = "open_clip"
    model: str
    pretrained: str | None = None
    checkpoint: Path | None = None
    image_size: int | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def load(self) -> ImageEncoder:
        """Load the encoder.

        Raises:
            InputError: It cannot be loaded.
        """
        kind: Embedder = import_module(f"gapmatch.embed.embedders.{self.library}").EMBEDDER
        if kind.load is None:
            raise InputError(f"--library {self.library}: another kind's module loads its models")
        return kind.load(self)
