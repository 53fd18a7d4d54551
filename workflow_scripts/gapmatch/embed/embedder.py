"""What an embedder kind tells of itself: a module of each in ``embedders/``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from gapmatch.kinds.discovery import found, modules, require_tag
from gapmatch.kinds.section import Section

if TYPE_CHECKING:
    from gapmatch.embed.encoder_settings import EncoderSettings
    from gapmatch.models.image_encoders import ImageEncoder

PACKAGE = "gapmatch.embed.embedders"

GivenEmbeddings = Annotated[
    Path | None,
    Field(
        description="Folder with embeddings of the pool that exist already, in clip-retrieval's "
        "layout (img_emb/, metadata/): found by key, taken instead of computed. Reference and test "
        "sets are embedded with the model."
    ),
]


class EmbedderSettings(Section):
    """An embedder of a study.

    Attributes:
        library: Module of ``embedders/`` that loads the model.
        kind: Name of the kind.
    """

    library: ClassVar[str] = "open_clip"

    kind: str

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the key and the path of each file that must exist when a run starts."""
        for key in ("checkpoint", "pool_embeddings"):
            if path := getattr(self, key, None):
                yield key, path

    def weights(self, name: str, root: str) -> str | None:
        """Return the file of the weights; None for published ones.

        Args:
            name: Of the embedder.
            root: Folder of the study's results, where the workflow trains the model itself.
        """
        checkpoint = getattr(self, "checkpoint", None)
        return str(checkpoint) if checkpoint else None

    def encoder(self, classifiers: Mapping[str, Any]) -> dict[str, object]:
        """Return the options that name the model, but for its weights (``EncoderSettings``).

        Args:
            classifiers: The classifiers of the study, by name.
        """
        return {"library": self.library, **self.model_dump(include={"model", "pretrained"})}


@dataclass(frozen=True, kw_only=True)
class Embedder:
    """An embedder kind.

    Attributes:
        settings: Its keys in a study.
        load: Loads the model; None where another kind's module does (``settings.library``).
    """

    settings: type[EmbedderSettings]
    load: Callable[[EncoderSettings], ImageEncoder] | None = None


def _check(name: str, embedder: Embedder) -> None:
    require_tag(embedder.settings, EmbedderSettings, "kind", name)
    library = embedder.settings.library
    if embedder.load and library != name:
        raise TypeError(f'expected library: ClassVar[str] = "{name}", got "{library}"')
    if not embedder.load and library not in modules(PACKAGE):
        raise TypeError(f"expected load=..., or the module of another kind as library: {library}")


@cache
def embedders() -> dict[str, Embedder]:
    """Return all embedder kinds by name."""
    return found(PACKAGE, "EMBEDDER", Embedder, _check)
