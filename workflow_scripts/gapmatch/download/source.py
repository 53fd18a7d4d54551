"""What a source of images tells of itself: a module of each in ``sources/``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from gapmatch.data.labels import LabelledShards, Labels
from gapmatch.kinds.discovery import found, require_arguments, require_tag
from gapmatch.kinds.section import Section

if TYPE_CHECKING:
    from gapmatch.config.study import Study
    from gapmatch.data.imagefolder import LabelledImage


class SourceSettings(Section):
    """Where a dataset comes from.

    Attributes:
        kind: Name of the source.
        styled: Whether its samples have classes and styles, which tables of the pool count.
    """

    styled: ClassVar[bool] = False

    kind: str

    @property
    def images_have(self) -> Labels:
        """What lies beside each image, and so how models are evaluated on them."""
        return "class"

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the key and the path of each input that must exist when a run starts."""
        yield from ()

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield what small files tell is wrong: the key, and a message.

        It is asked when a run starts, for sources of which all ``paths`` exist.
        """
        yield from ()

    def problems(self, key: str, study: Study) -> Iterator[tuple[str, object, str]]:
        """Yield what does not fit the rest of the study: key, value and what is expected.

        Args:
            key: Of the dataset that comes from here: pool, reference or test_sets.NAME.
            study: The study, whose sections are valid by themselves.
        """
        yield from ()

    def most_samples(self, study: Study) -> int | None:
        """Return how many samples there can be at most; None where only files tell."""
        return None

    def within(self, rendered: Path) -> SourceSettings:
        """Return the source itself, or for artwork that the workflow renders where that is.

        Args:
            rendered: Folder of the rendered parts.
        """
        return self


@dataclass(frozen=True)
class Listing:
    """The images of a labelled source, listed but not read.

    Attributes:
        root: Folder that all of them are below.
        images: By class and name; labels are positions in ``classes``.
        classes: Names of the classes.
        styles: Style of an image by its path below the root, where that is known.
        border: Pixels to cut off each side.
        imagenet_indices: By class the ImageNet classes that it stands for, where it does.
    """

    root: Path
    images: list[LabelledImage]
    classes: tuple[str, ...]
    styles: Mapping[str, str] = field(default_factory=dict)
    border: int = 0
    imagenet_indices: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class ChunkJob:
    """The chunk to make: options of ingest.py.

    Attributes:
        dataset: Name of the dataset.
        chunk: Id of the chunk, five digits.
        chunks: Number of chunks.
        out: Output: folder of the chunk.
    """

    dataset: str
    chunk: str
    chunks: int
    out: Path


@dataclass(frozen=True, kw_only=True)
class Source:
    """A source of images.

    Attributes:
        settings: Its keys in a study.
        listing: Lists the images of a reference or test set, which are then packed into shards;
            None for a source of the pool.
        shards: Finds the shards of a reference or test set: a test set is read in place, a
            reference packed with captions; None for other sources.
        ingest: Makes a chunk of the pool; None where rules of its own do.
        both: Rules of its own make the pool as well as reference and test sets.
        environment: Conda environment in ``envs/``.
    """

    settings: type[SourceSettings]
    listing: Callable[..., Listing] | None = None
    shards: Callable[..., LabelledShards] | None = None
    ingest: Callable[..., None] | None = None
    both: bool = False
    environment: str = "download"

    @property
    def labelled(self) -> bool:
        """Whether the reference and test sets may come from it."""
        return self.both or self.packs

    @property
    def pool(self) -> bool:
        """Whether the pool may come from it."""
        return self.both or not self.packs

    @property
    def packs(self) -> bool:
        """Whether the reference from it is packed into shards with captions."""
        return self.listing is not None or self.shards is not None


def _check(name: str, source: Source) -> None:
    require_tag(source.settings, SourceSettings, "kind", name)
    if sum(one is not None for one in (source.listing, source.shards, source.ingest)) > 1:
        raise TypeError(
            "expected listing or shards (reference, test sets) or ingest (the pool), not both"
        )
    if source.ingest:
        require_arguments(source.ingest, {"source", "job"})


@cache
def sources() -> dict[str, Source]:
    """Return all sources by name."""
    return found("gapmatch.download.sources", "SOURCE", Source, _check)
