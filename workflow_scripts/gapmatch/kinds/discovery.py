"""Finding the modules of a package: what stands there is part of the workflow."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, TypeVar, get_args, get_type_hints

if TYPE_CHECKING:
    from pydantic import BaseModel

Kind = TypeVar("Kind")
ANY = "**"
"""Stands for ``**options`` among the arguments of a function."""


def modules(package: str) -> list[str]:
    """Return the names of the modules of a package, without importing them."""
    path = importlib.import_module(package).__path__
    return sorted(info.name for info in pkgutil.iter_modules(path))


def found(
    package: str, attribute: str, kind: type[Kind], check: Callable[[str, Kind], None]
) -> dict[str, Kind]:
    """Return what each module of a package calls by a name, by the name of the module.

    Args:
        package: Whose modules are imported.
        attribute: What each of them defines.
        kind: Its type.
        check: Raises a TypeError where the module of a name is not as its users expect.

    Raises:
        TypeError: A module has nothing of that name and type, or does not pass the check.
    """
    every = {}
    for name in modules(package):
        module = importlib.import_module(f"{package}.{name}")
        one = getattr(module, attribute, None)
        if not isinstance(one, kind):
            raise TypeError(f"{module.__file__}: expected {attribute} = {kind.__name__}(...)")
        try:
            check(name, one)
        except (TypeError, ValueError, AttributeError, NameError) as error:
            raise TypeError(f"{module.__file__}: {error}") from None
        every[name] = one
    return every


def require_tag(settings: type[BaseModel], base: type[BaseModel], key: str, name: str) -> None:
    """Check that settings are chosen by the name of their module.

    Args:
        settings: Settings of a study.
        base: What they are derived from.
        key: The key that chooses them.
        name: Name of the module.

    Raises:
        TypeError: They are derived from something else, or another name chooses them.
    """
    if not issubclass(settings, base):
        raise TypeError(f"expected class {settings.__name__}({base.__name__})")
    field = settings.model_fields.get(key)
    if field is None or get_args(field.annotation) != (name,):
        raise TypeError(f'expected {key}: Literal["{name}"] in {settings.__name__}')


def require_arguments(function: Callable[..., None], names: Collection[str]) -> None:
    """Check that a function takes just the arguments that it is called with.

    Raises:
        TypeError: It does not take some, or has others without a default.
    """
    takes = dict(_taken(function))
    if ANY in takes:
        return
    if lacking := set(names) - takes.keys():
        raise TypeError(
            f"expected {_name(function)} to take the arguments {', '.join(sorted(lacking))}"
        )
    needed = {name for name, required in takes.items() if required}
    if unknown := needed - set(names):
        raise TypeError(
            f"expected {_name(function)} to have a default for {', '.join(sorted(unknown))}: "
            "nothing passes it"
        )


def _taken(function: Callable[..., None]) -> Iterator[tuple[str, bool]]:
    """Yield the arguments of a function, and whether it needs them; ANY is ``**options``.

    The fields of a dataclass are options of a program as arguments are.
    """
    hints = get_type_hints(function)
    for name, one in inspect.signature(function).parameters.items():
        hint = hints.get(name, object)
        made = fields(hint) if is_dataclass(hint) else ()
        yield (ANY if one.kind is one.VAR_KEYWORD else name), one.default is one.empty and not made
        for field in made:
            yield field.name, False


def _name(function: Callable[..., None]) -> str:
    return getattr(function, "__name__", str(function))
