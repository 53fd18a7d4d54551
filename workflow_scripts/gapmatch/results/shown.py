"""Tables and figures by name: each is a module that says what it needs, does and shows.

A module of ``gapmatch/tables/`` ends with ``TABLE = Table(...)``, one of ``gapmatch/figures/`` with
``FIGURE = Figure(...)``. Whatever stands there is part of every study: the rules, the report and
the targets ask these objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar, TypeVar

from gapmatch.kinds.discovery import found, require_arguments

if TYPE_CHECKING:
    from gapmatch.config.results import Results


@dataclass(frozen=True)
class Needs:
    """What a table or figure is made from.

    Attributes:
        inputs: Files of earlier stages that have to be there.
        arguments: Options of its program that follow from the inputs and from the order of the
            config: another order makes nothing again.
        settings: Options whose change makes it again.
    """

    inputs: Sequence[str]
    arguments: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)


def from_tables(**names: str) -> Callable[[Results, str], Needs]:
    """Return the ``needs`` function of a table or figure that is made only from other tables.

    Args:
        names: Option of its program, and the name of the table.
    """

    def needs(results: Results, _: str) -> Needs:
        tables = {option: results.table(name) for option, name in names.items()}
        return Needs(list(tables.values()), tables)

    return needs


def once(_: Results) -> list[str]:
    """Return the items of what every study has once."""
    return [""]


@dataclass(frozen=True, kw_only=True)
class _Shown:
    """What a table and a figure tell of themselves.

    Attributes:
        make: Makes it; its keyword arguments are the options of its program, and ``out`` is the
            path of its files without suffix.
        needs: What it is made from, by study and item.
        caption: What is shown, n, and the kind of interval.
        each: What there is one of it for: "subset" or "test_set"; empty where there is only one.
        items: The subsets or test sets that have one; empty where a study has none.
        place: Its place in the report, ascending.
        paper: Targets that are made of it: the paper's figures and tables.
        suffixes: Of its files.
        name: That of its module.
    """

    folder: ClassVar[str]

    make: Callable[..., None]
    needs: Callable[[Results, str], Needs]
    caption: str = ""
    each: str = ""
    items: Callable[[Results], Sequence[str]] = once
    place: int = 1000
    paper: Sequence[str] = ()
    suffixes: Sequence[str] = ()

    name: str = ""

    @property
    def wildcard(self) -> str:
        """The pattern of the wildcard; empty where there is only one."""
        return f"{{{self.each}}}" if self.each else ""

    @property
    def passed(self) -> set[str]:
        """What its rule passes beside what it is made from."""
        return {"out"}

    @property
    def title(self) -> str:
        """What it is called, with the pattern of the item that it is made for."""
        words = self.name.replace("_", " ")
        return f"{words} of {self.wildcard}" if self.each else words

    def names(self, results: Results) -> list[str]:
        """Return the names of all that a study has of this kind."""
        return [self._named(item) for item in self.items(results)]

    def files(self, results: Results, suffixes: Sequence[str] = ()) -> list[str]:
        """Return the files of all that a study has; all suffixes where none is named."""
        return [
            f"{results.root}/{self.folder}/{name}.{suffix}"
            for name in self.names(results)
            for suffix in suffixes or self.suffixes
        ]

    def pattern_files(self, results: Results) -> list[str]:
        """Return the patterns of its files."""
        name = self._named(self.wildcard)
        return [f"{results.root}/{self.folder}/{name}.{suffix}" for suffix in self.suffixes]

    def needed(self, results: Results, wildcards: Mapping[str, str]) -> Needs:
        """Return what the one that Snakemake's wildcards tell is made from, and its stem."""
        item = wildcards[self.each] if self.each else ""
        return _needed(self, results, item)

    def _named(self, item: str) -> str:
        return f"{self.name}_{item}" if item else self.name


@cache
def _needed(kind: _Shown, results: Results, item: str) -> Needs:
    """Return what one is made from, with the path of its files without suffix."""
    needs = kind.needs(results, item)
    given = {*kind.passed, *needs.arguments, *needs.settings}
    try:
        require_arguments(kind.make, given)
    except TypeError as error:
        raise TypeError(f"{kind.folder}/{kind.name}.py: {error}") from None
    out = f"{results.root}/{kind.folder}/{kind._named(item)}"
    return replace(needs, settings={**needs.settings, "out": out})


@dataclass(frozen=True, kw_only=True)
class Table(_Shown):
    """A table.

    Attributes:
        suffixes: Of its files. One with a caption is shown to people; another holds what a figure
            draws.
        environment: Conda environment in ``envs/``.
        searches: Whether it computes similarities: it then gets the options of the engine.
        early: Whether it is made as soon as it can be: it tells what to know before training.
    """

    folder = "tables"

    suffixes: Sequence[str] = ("csv", "md", "tex", "json")
    environment: str = "report"
    searches: bool = False
    early: bool = False

    @property
    def passed(self) -> set[str]:
        """What its rule passes beside what it is made from."""
        return {"out", "engine"} if self.searches else {"out"}


@dataclass(frozen=True, kw_only=True)
class Figure(_Shown):
    """A figure: drawn from tables alone."""

    folder = "figures"

    suffixes: Sequence[str] = ("png", "pdf", "csv")


Kind = TypeVar("Kind", Table, Figure)
WILDCARDS = ("", "subset", "test_set")
"""What there may be one of a table or figure for."""


def _check(_: str, kind: Table | Figure) -> None:
    if kind.each not in WILDCARDS:
        raise TypeError(f'each="{kind.each}": expected one of {", ".join(WILDCARDS[1:])}')
    if kind.each and kind.items is once:
        raise TypeError(f"expected items: for which {kind.each}s there is one")


@cache
def tables() -> dict[str, Table]:
    """Return all kinds of tables by name, in the order of the report."""
    return _in_order(found("gapmatch.tables", "TABLE", Table, _check))


@cache
def figures() -> dict[str, Figure]:
    """Return all kinds of figures by name, in the order of the report."""
    return _in_order(found("gapmatch.figures", "FIGURE", Figure, _check))


def _in_order(kinds: dict[str, Kind]) -> dict[str, Kind]:
    named = {name: replace(kind, name=name) for name, kind in kinds.items()}
    return dict(sorted(named.items(), key=lambda item: (item[1].place, item[0])))


def kind_of(name: str, kinds: Mapping[str, Kind]) -> Kind:
    """Return the kind that a table or figure is of: audit for audit_sketch_pruned.

    Raises:
        KeyError: There is none.
    """
    words = name.split("_")
    starts = ("_".join(words[:length]) for length in range(len(words), 0, -1))
    return kinds[next((start for start in starts if start in kinds), name)]
