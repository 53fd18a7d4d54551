"""Mistakes in a config as one message each: the key, the value, what is expected."""

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

EXPECTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "dict_type": "keys with values",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "list_type": "a list",
    "literal_error": "{expected}",
    "model_type": "keys with values",
    "path_type": "a path",
    "string_pattern_mismatch": (
        "a name of letters, digits, _ and -, which begins with a letter or a digit"
    ),
    "string_too_long": "at most {max_length} characters",
    "string_type": "text",
    "too_short": "at least {min_length} of them",
    "union_tag_invalid": "one of {expected_tags} as its {discriminator}",
    "union_tag_not_found": "the key {discriminator}, which says what kind it is",
}
"""What is expected, by pydantic's type of error and with what it tells of it."""


def known_keys(schema: Any) -> set[str]:
    """Return all keys that a JSON schema names, whatever section they belong to."""
    found = set()
    if isinstance(schema, dict):
        found |= schema.get("properties", {}).keys()
        schema = list(schema.values())
    if isinstance(schema, list):
        for part in schema:
            found |= known_keys(part)
    return found


def describe(error: ValidationError, values: Any, known: Collection[str]) -> list[str]:
    """Return a line for each mistake.

    Where a key may have values of several types, pydantic reports an error for each: they become
    one line that names them all.

    Args:
        error: What pydantic found.
        values: What it validated: the parsed YAML.
        known: All keys that a study may have, of which one may have been meant.
    """
    expected: dict[str, list[str]] = {}
    for detail in error.errors():
        for place, wanted in _mistakes(dict(detail), values, known):
            alternatives = expected.setdefault(place, [])
            if wanted not in alternatives:
                alternatives.append(wanted)
    return [
        f"{place}{', expected ' if wanted[0] else ''}{_one_of(wanted)}"
        for place, wanted in expected.items()
    ]


def _mistakes(
    detail: dict[str, Any], values: Any, known: Collection[str]
) -> Iterable[tuple[str, str]]:
    """Return what stands where, and what is expected; nothing where the first says it all."""
    kind = detail["type"]
    key = _key(detail["loc"], values, missing=kind == "missing")
    got = f"{key}: got {detail['input']!r}"
    if kind == "value_error":
        message = str(detail["ctx"]["error"])
        if key:
            return [(got, message.removeprefix("expected "))]
        # Checks across sections name their keys themselves.
        return [(line, "") for line in message.splitlines()]
    if kind == "extra_forbidden":
        name = str(detail["loc"][-1])
        # One that is known is a key of other sections.
        meant = [] if name in known else get_close_matches(name, known, n=1)
        hint = "".join(f"did you mean {one}? " for one in meant)
        return [(f"{key}: unknown key ({hint}docs/config.md lists the known ones)", "")]
    if kind == "missing":
        return [(f"{key}: missing", "a value (see docs/config.md)")]
    told = detail.get("ctx", {})
    return [(got, EXPECTED[kind].format(**told) if kind in EXPECTED else detail["msg"])]


def _one_of(alternatives: list[str]) -> str:
    *others, last = alternatives
    return f"{', '.join(others)} or {last}" if others else last


def _key(location: tuple[str | int, ...], values: Any, *, missing: bool) -> str:
    """Return the dotted key of an error, without the union tags that pydantic puts into it.

    Args:
        location: Of the error.
        values: Of the config.
        missing: Whether the last key is one that the config lacks.
    """
    key = []
    for position, part in enumerate(location):
        last = position == len(location) - 1
        if part == "[key]":  # the key itself is wrong; it stands before this
            continue
        if isinstance(values, dict):
            known = part in values
        else:
            known = isinstance(values, list) and isinstance(part, int)
        if known:
            values = values[part]
        elif not (missing and last and isinstance(values, dict)):
            continue
        key.append(str(part))
    return ".".join(key)
