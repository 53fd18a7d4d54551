"""What a subset method tells of itself: a module of each in ``methods/``."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from gapmatch.kinds.discovery import found, require_arguments, require_tag
from gapmatch.kinds.section import Name, Section

TestSets = Annotated[
    Literal["all"] | list[Name],
    Field(description="Test sets that the subset is selected against: names, or all."),
]


def _check_keep(keep: float | int | str) -> float | int | str:
    if isinstance(keep, str) or (isinstance(keep, int) and keep >= 1) or 0 < keep < 1:
        return keep
    raise ValueError("expected a fraction between 0 and 1, a number of samples, or a subset's name")


Keep = Annotated[
    float | int | str,
    AfterValidator(_check_keep),
    Field(
        description="How much of the pool is kept: a fraction below 1, a number of samples, or "
        "the name of a subset whose size is copied, of method gap_match or balanced."
    ),
]
ReferenceShare = Annotated[
    float,
    Field(
        ge=0,
        le=1,
        description="Share of the reference that is trained on too; 1 is the paper's, 0 leaves it "
        "out. A smaller share is part of every larger one.",
    ),
]
SubsetEmbedder = Annotated[
    Name | None,
    Field(description="Embedder whose similarity selects; null is that of the search."),
]


class SubsetSettings(Section):
    """What all subsets declare; a method adds its own keys.

    Five names mean the same for every method that has them: ``test_sets`` (with ``embedder``) is
    what it selects against, ``keep`` how much it keeps, ``rank`` the margins that it reads,
    ``clusters`` how many of the pool's clusters it chooses, ``shares`` the share of each style.
    """

    method: str
    reference: ReferenceShare = 1.0

    def paths(self) -> Iterator[tuple[str, Path]]:
        """Yield the key and the path of every file that it reads: each must exist."""
        yield from ()


class SearchedSettings(SubsetSettings):
    """What subsets declare that are selected by similarity to test sets."""

    test_sets: TestSets
    embedder: SubsetEmbedder = None


@dataclass(frozen=True, kw_only=True)
class Method:
    """A subset method.

    Attributes:
        settings: Its keys in a study; the default of ``method`` is not needed.
        select: Selects and writes; its keyword arguments are the options of select_subset.py: a
            ``Selection``, and the keys of ``settings``. ``test_sets`` come with ``similarity``, the
            folder of their margins, ``clusters`` and ``shares`` with ``assigned`` and ``styles``,
            the folders of what each sample has, and ``keep`` with ``keep_like`` (see
            ``selection.Size``).
        pruned: What it prunes, to end "without 10 of 20 pool images (...)"; {test_sets} are named.
            Empty where there is nothing to tell.
        curve: Name of the curve in figures that a subset belongs to, filled in from ``settings``
            of its summary, such as "diverse ({clusters} clusters)"; without it METHOD-pruned, with
            the test sets that steer it.
        colour: Of its subsets in figures; gap-matched ones have one each.
        marker: In figures.
    """

    settings: type[SubsetSettings]
    select: Callable[..., None]
    pruned: str = ""
    curve: str = ""
    colour: str = "#8c8c8c"
    marker: str = "o"

    @property
    def sized(self) -> bool:
        """Whether it prunes to a size: its subsets are a curve in figures, not points."""
        return "keep" in self.settings.model_fields


def _check(name: str, method: Method) -> None:
    require_tag(method.settings, SubsetSettings, "method", name)
    keys = method.settings.model_fields.keys() - SubsetSettings.model_fields.keys() - {"embedder"}
    arguments = {"size" if key == "keep" else key for key in keys}
    searched = {"similarity"} if "test_sets" in keys else set()
    clustered = {"assigned"} if "clusters" in keys else set()
    styled = {"styles"} if "shares" in keys else set()
    require_arguments(method.select, {"selection"} | arguments | searched | clustered | styled)


@cache
def methods() -> dict[str, Method]:
    """Return all subset methods by name."""
    return found("gapmatch.subset.methods", "METHOD", Method, _check)


def sized_methods() -> list[str]:
    """Return the names of the methods that prune to a size."""
    return [name for name, method in methods().items() if method.sized]
