"""What every program in workflow_scripts/ does around its work: logging and clean errors."""

import argparse
import atexit
import gc
import logging
import os
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Never

from gapmatch import IS_PROGRAM
from gapmatch.running.disk_space import find_no_space, no_space
from gapmatch.running.errors import InputError

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def run(main: Callable[[], None]) -> None:
    """Run ``main`` with logging to stderr; print an InputError as one message and exit 2.

    So is any error that says that no space is left.
    """
    # A log on a full disk takes no lines: what could not be logged is no error of its own.
    logging.raiseExceptions = False
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    _begin_log()
    fill_process(partial(_with_clean_errors, main))


def fill_process(main: Callable[[], None]) -> None:
    """Call what a process was started for, and end the process with it.

    What was imported is neither searched for garbage nor freed in the end: with torch and open_clip
    that takes a second. In a process that is not a program's own, as a test's, this is just a call.
    """
    if not IS_PROGRAM:
        main()
        return
    gc.freeze()
    gc.enable()
    try:
        main()
    except BaseException as ended:
        if not (isinstance(ended, SystemExit) and isinstance(ended.code, int)):
            gc.unfreeze()
            raise
        _end_process(ended.code)
    _end_process(0)


def _end_process(status: int) -> Never:
    """End this process without freeing its objects one by one."""
    threading._shutdown()  # type: ignore[attr-defined]  # as Python does: waits for threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a log on a full disk; programs flush what is data
            if stream:  # None where it is closed
                stream.flush()
    os._exit(status)


def _with_clean_errors(main: Callable[[], None]) -> None:
    message = _error_message(main)
    if message:
        # On a full disk the message needs the space of files that were deleted, and has it only
        # when nothing of the failed work holds them open.
        gc.collect()
        with suppress(OSError):
            print(f"error: {message}", file=sys.stderr)
        sys.exit(2)


def _begin_log() -> None:
    """Write a line to an empty log: its block then has room for a message on a full disk."""
    with suppress(OSError, ValueError, AttributeError):  # stderr may be closed, or no file
        log = os.fstat(sys.stderr.fileno())
        if stat.S_ISREG(log.st_mode) and not log.st_size:
            logger.info("%s begins", Path(sys.argv[0]).name)


def _error_message(main: Callable[[], None]) -> str | None:
    """Run ``main``; return what a person needs to be told where input or space is missing."""
    try:
        main()
    except InputError as error:
        return str(error)
    except PermissionError as error:
        return f"{error.filename}: {error.strerror}; get access to it, or name another"
    except Exception as error:
        full = find_no_space(error)
        if full is None:
            raise
        return str(no_space(getattr(full, "filename", None) or f"a file ({full})"))
    return None


def named_path(text: str) -> tuple[str, Path]:
    """Parse NAME=PATH from the command line, for argparse's ``type``."""
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise argparse.ArgumentTypeError(f"expected NAME=PATH, got {text!r}")
    return name, Path(path)
