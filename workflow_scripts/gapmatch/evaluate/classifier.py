"""What a classifier kind tells of itself: a module of each in ``classifiers/``."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from gapmatch.kinds.discovery import found, require_tag
from gapmatch.kinds.section import Section


class ClassifierSettings(Section):
    """A supervised classifier of a study; a model of timm.

    Attributes:
        kind: Name of the kind.
        model: Model name of timm.
        test_sets: What it is evaluated on.
    """

    kind: str
    model: str
    test_sets: Literal["all"] | list[str] = Field(
        "all",
        description="Test sets that it is evaluated on; their classes must be the reference's. all "
        "is every test set whose images have classes.",
    )

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the key and the path of each file that must exist when a run starts."""
        yield from ()

    def weights(self, name: str, root: str) -> str | None:
        """Return the file of the weights; None for published ones.

        Args:
            name: Of the classifier.
            root: Folder of the study's results, where the workflow trains the model itself.
        """
        return None


@dataclass(frozen=True)
class Classifier:
    """A classifier kind.

    Attributes:
        settings: Its keys in a study.
    """

    settings: type[ClassifierSettings]


def _check(name: str, classifier: Classifier) -> None:
    require_tag(classifier.settings, ClassifierSettings, "kind", name)


@cache
def classifiers() -> dict[str, Classifier]:
    """Return all classifier kinds by name."""
    return found("gapmatch.evaluate.classifiers", "CLASSIFIER", Classifier, _check)
