"""Settings as options of a command line."""

import shlex
from collections.abc import Mapping


def options(values: Mapping[str, object]) -> str:
    """Return values as options of a program, quoted for a shell.

    A list becomes several words behind its option, and a list of pairs two words for each. True is
    the option alone; None, False and an empty list are left out.
    """
    words = []
    for name, value in values.items():
        option = f"--{name.replace('_', '-')}"
        if value is None or value is False or value == [] or value == ():
            continue
        if value is True:
            words.append(option)
        elif isinstance(value, list | tuple):
            words += [option, *_flat(value)]
        else:
            words.append(f"{option}={shlex.quote(str(value))}")
    return " ".join(words)


def _flat(values: list[object] | tuple[object, ...]) -> list[str]:
    words: list[str] = []
    for value in values:
        words += _flat(value) if isinstance(value, list | tuple) else [shlex.quote(str(value))]
    return words
