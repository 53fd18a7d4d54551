"""A full disk: recognised in whatever error it shows itself, and told as one clear message.

Only some writers say that no space is left: Python's own files with an errno, polars in the text of
its errors. numpy tells how much it wrote and torch a position, so after their errors the device
itself is asked.
"""

import errno
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gapmatch.running.errors import InputError, NoSpaceError

FULL = (errno.ENOSPC, errno.EDQUOT)
SAID = re.compile("|".join(re.escape(os.strerror(code)) for code in FULL))
PROBE_BYTES = 1 << 20
"""A device that does not take so many more bytes is full."""


def is_full(folder: Path) -> bool:
    """Tell whether the device of ``folder`` refuses to store another PROBE_BYTES."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())  # where quotas are kept by a server, it refuses only now
    except OSError as error:
        return error.errno in FULL
    return False


def find_no_space(error: BaseException | None) -> BaseException | None:
    """Return what says that no space is left: the error, or one that it came from."""
    while error is not None:
        if getattr(error, "errno", None) in FULL or SAID.search(str(error)):
            return error
        error = error.__cause__ or error.__context__
    return None


def no_space(what: object) -> NoSpaceError:
    """Return the error that says that there is no space for ``what``."""
    return NoSpaceError(
        f"no space is left on the device, or a quota is used up: {what} could not be written. "
        "Free some space there and run the same command again; what is finished is kept"
    )


@contextmanager
def telling_no_space(path: Path) -> Iterator[None]:
    """Turn an error in the body into a clear one where ``path`` finds no space.

    Raises:
        NoSpaceError: No space is left where ``path`` was to be written.
    """
    try:
        yield
    except NoSpaceError as error:  # of a part of it, which has a temporary name
        raise no_space(path) from error
    except InputError:
        raise
    except (OSError, RuntimeError) as error:  # numpy and torch raise these without a reason
        if find_no_space(error) or is_full(path.parent):
            raise no_space(path) from error
        raise
    except Exception as error:
        if find_no_space(error):
            raise no_space(path) from error
        raise
