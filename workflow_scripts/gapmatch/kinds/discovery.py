"""Finding the modules of a package: what stands there is part of the workflow."""

import importlib
import pkgutil
from typing import TypeVar

Kind = TypeVar("Kind")


def modules(package: str) -> list[str]:
    """Return the names of the modules of a package, without importing them."""
    path = importlib.import_module(package).__path__
    return sorted(info.name for info in pkgutil.iter_modules(path))


def found(package: str, attribute: str, kind: type[Kind]) -> dict[str, Kind]:
    """Return what each module of a package calls by a name, by the name of the module.

    Raises:
        TypeError: A module has nothing of that name and kind.
    """
    every = {}
    for name in modules(package):
        module = importlib.import_module(f"{package}.{name}")
        one = getattr(module, attribute, None)
        if not isinstance(one, kind):
            raise TypeError(f"{module.__file__}: expected {attribute} = {kind.__name__}(...)")
        every[name] = one
    return every
