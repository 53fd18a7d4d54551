"""The one exception that stands for bad input rather than a bug."""


class InputError(Exception):
    """Something the user gave (a file, a setting) is wrong.

    The message is one sentence or a few: it names the file or key, what was expected and
    what to do. Programs print it without a traceback and exit with status 2.
    """


class NoSpaceError(InputError):
    """A file could not be written because its device is full or a quota is used up."""
