"""What a look at a dataset found."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

import numpy as np

from gapmatch.running.errors import InputError

Item = TypeVar("Item")


class Level(StrEnum):
    """An error ends the study or makes it answer wrongly; a warning costs samples or clarity."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Finding:
    """One thing to mend or to know."""

    level: Level
    dataset: str
    text: str


@dataclass(frozen=True)
class Picture:
    """A small image with its caption or class, to be looked at."""

    jpeg: bytes
    caption: str


@dataclass
class Look:
    """What is known of a dataset.

    Attributes:
        dataset: Its name: pool, reference, or that of a test set.
        facts: What was counted and measured, by name, as text.
        findings: What is wrong or strange.
        pictures: Some of its images.
        classes: Names of its classes by label; none for the pool.
        imagenet_indices: By label, the ImageNet classes that a class is; none of other datasets.
        images: Number of images; of shards estimated from those that were read.
        looked: Samples that were looked at.
        unusable: How many of them cannot be used.
        captions: Some captions of the pool.
        styles: Styles of the samples that were looked at; None where nothing tells before a
            download.
        named: How many of those have a class; None likewise.
    """

    dataset: str
    facts: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    pictures: list[Picture] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    imagenet_indices: tuple[tuple[int, ...], ...] = ()
    images: int = 0
    looked: int = 0
    unusable: int = 0
    captions: list[str] = field(default_factory=list)
    styles: set[str] | None = None
    named: int | None = None

    def tell(self, text: str, *, error: bool) -> None:
        """Add an error, or a warning."""
        (self.error if error else self.warning)(text)

    def error(self, text: str) -> None:
        """Add an error."""
        self.findings.append(Finding(Level.ERROR, self.dataset, text))

    def warning(self, text: str) -> None:
        """Add a warning."""
        self.findings.append(Finding(Level.WARNING, self.dataset, text))

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what cannot be read within into a finding; what follows it within is left out."""
        try:
            yield
        except InputError as error:
            self.error(str(error))
        except OSError as error:
            self.error(f"{error.filename} cannot be read: {error.strerror or error}")


def spread(items: Sequence[Item], number: int) -> list[Item]:
    """Return at most so many items, evenly spaced, the first and the last among them."""
    places = np.linspace(0, len(items) - 1, min(number, len(items))).round().astype(int)
    return [items[place] for place in places]
