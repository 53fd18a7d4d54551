"""The one exception that stands for bad input rather than a bug."""


class InputError(Exception):
    """Something the user gave (a file, a setting) is wrong.

    The message is one sentence or a few: it names the file or key, what was expected and
    what to do. Programs print it without a traceback and exit with status 2.
    """


class NoSpaceError(InputError):
    """A file could not be written because its device is full or a quota is used up."""


def first_line(error: Exception) -> str:
    """Return what a library tells first of an error; the rest is about its own working."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
