"""Families of subsets: one definition with several values stands for a subset of each.

A name with keys in braces is a pattern: ``near_{test_sets}_{keep}`` with two test sets and three
sizes stands for six subsets, such as near_sketch_25m.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
EACH = "each"
"""As ``test_sets`` of a family: every test set of the study, one after the other."""
SINGLE = ("keep", "rank", "offset", "embedder", "seed", "clusters", "cap", "shares")
"""Keys of which a subset has one value: several are a family's."""


class Expanded(NamedTuple):
    """The subsets of a study without families.

    Attributes:
        subsets: In the order written, the last placeholder of a family changing fastest.
        families: The pattern of each subset that belongs to a family, by the subset's name.
        problems: A line for each problem: what was written, what was expected.
    """

    subsets: dict[str, Any]
    families: dict[str, str]
    problems: list[str]


def expand(subsets: Mapping[str, Any], test_sets: Iterable[str]) -> Expanded:
    """Replace the families among the subsets of a study by their members.

    Args:
        subsets: Section ``subsets`` as it was written.
        test_sets: Names of the study's test sets.
    """
    every: dict[str, Any] = {}
    families: dict[str, str] = {}
    problems = []
    names = list(test_sets)
    for pattern, definition in subsets.items():
        members: Iterable[tuple[str, Any]] = [(pattern, definition)]
        if isinstance(definition, Mapping):
            if problem := _problem(str(pattern), definition):
                problems.append(problem)
                continue
            if "{" in str(pattern):
                members = list(_members(pattern, definition, names))
                families |= {name: pattern for name, _ in members}
        for name, member in members:
            if name in every:
                problems.append(
                    f"subsets: got {pattern!r}, which stands for a second {name}; expected a name "
                    "of its own for each subset"
                )
            every[name] = member
    return Expanded(every, families, problems)


def _problem(pattern: str, definition: Mapping[str, Any]) -> str:
    """Return what is wrong with a family; nothing where all is well."""
    keys = PLACEHOLDER.findall(pattern)
    if set("{}") & set(PLACEHOLDER.sub("", pattern)) or len(set(keys)) < len(keys):
        return f"subsets: got {pattern!r}, expected each key once in braces, such as near_{{keep}}"
    for key in keys:
        values = definition.get(key)
        if key not in definition:
            return f"subsets: got {pattern!r}, but its definition does not have the key {key}"
        if not (isinstance(values, list) and values) and not (
            key == "test_sets" and values == EACH
        ):
            each = f", or {EACH}" if key == "test_sets" else ""
            return f"subsets.{pattern}.{key}: got {values!r}, expected a list of values{each}"
    several = [key for key in SINGLE if isinstance(definition.get(key), list)]
    several += ["test_sets"] if EACH in _listed(definition.get("test_sets")) else []
    for key in several:
        if key not in keys:
            return (
                f"subsets.{pattern}.{key}: got {definition[key]!r}, expected one value, or "
                f"{{{key}}} in the subset's name, which makes a subset of each"
            )
    return ""


def _listed(values: object) -> list[object]:
    return values if isinstance(values, list) else [values]


def _members(
    pattern: str, definition: Mapping[str, Any], test_sets: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    keys = PLACEHOLDER.findall(pattern)
    lists = [_values(definition[key], test_sets) for key in keys]
    for values in itertools.product(*lists):
        chosen = dict(zip(keys, values, strict=True))
        name = pattern
        for key, value in chosen.items():
            name = name.replace(f"{{{key}}}", value_name(key, value))
        if chosen.get("test_sets", "all") != "all":
            chosen["test_sets"] = [chosen["test_sets"]]
        yield name, {**definition, **chosen}


def _values(written: object, test_sets: list[str]) -> list[object]:
    """Return the values of a family's key, with the test sets where it says each."""
    values: list[object] = []
    for value in _listed(written):
        values += test_sets if value == EACH else [value]
    return values


def value_name(key: str, value: object) -> str:
    """Return a value as a part of a name.

    A whole number is 7, 40k or 25m, a fraction its percentage (0.25 is 25, 0.125 is 12p5), an
    offset less_05 for -0.05 and more_05 for 0.05, and shares photo25_drawing75.
    """
    if isinstance(value, Mapping):
        return "_".join(f"{name}{value_name(name, float(part))}" for name, part in value.items())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if key == "offset":
        return f"{'less' if value < 0 else 'more'}_{_digits(100 * abs(value)):0>2}"
    if isinstance(value, float):
        return _digits(100 * value)
    for size, letter in ((10**6, "m"), (10**3, "k")):
        if value and value % size == 0:
            return f"{value // size}{letter}"
    return str(value)


def _digits(percent: float) -> str:
    return f"{percent:.6g}".replace(".", "p")
