"""What every program in workflow_scripts/ does around its work: logging and clean errors."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import is_dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Never, get_type_hints

from gapmatch import IS_PROGRAM
from gapmatch.running.disk_space import find_no_space, no_space
from gapmatch.running.errors import InputError

if TYPE_CHECKING:
    from cyclopts import MissingArgumentError

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def _run(main: Callable[[], None]) -> None:
    """Run ``main`` with logging to stderr; print an InputError as one message and exit 2.

    So is any error that says that no space is left.
    """
    # A log on a full disk takes no lines: what could not be logged is no error of its own.
    logging.raiseExceptions = False
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    _begin_log()
    fill_process(partial(_with_clean_errors, main))


def run(program: Callable[..., None]) -> None:
    """Run a function with the options of the command line, which are its keyword arguments.

    Types, defaults and help follow from its signature and docstring. The fields of a dataclass, or
    of settings of a study, are options like the others. What is wrong with the command line is one
    message and exit status 2.
    """
    _run(partial(call, program))


def run_one_of(
    names: Sequence[str], load: Callable[[str], Callable[..., None]], what: str | None
) -> None:
    """Run the function that the first word of the command line names, as ``run`` does.

    Args:
        names: What the first word may be.
        load: Returns the function of a name; the others are not imported.
        what: What the program does, for its help.
    """
    _run(partial(_choose, names, load, what))


def _choose(
    names: Sequence[str], load: Callable[[str], Callable[..., None]], what: str | None
) -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print(f"Usage: {Path(sys.argv[0]).name} NAME [OPTIONS]\n\n{what}\n")
        print(f"NAME is one of {', '.join(names)}; NAME --help tells its options.")
        return
    if name not in names:
        raise InputError(f"got {name}, expected one of {', '.join(names)}")
    sys.argv[:2] = [f"{Path(sys.argv[0]).name} {name}"]
    call(load(name))


def call(program: Callable[..., None]) -> None:
    """Call a function with the options of the command line.

    Raises:
        InputError: The options are wrong.
    """
    # Snakemake imports this module for its parts: it need not wait for what only programs need.
    from cyclopts import App, CycloptsError, MissingArgumentError, Parameter

    for hint in get_type_hints(program).values():
        if is_dataclass(hint) or hasattr(hint, "model_fields"):  # or settings of a study
            Parameter(name="*")(hint)
    app = App(
        name=Path(sys.argv[0]).name,
        default_parameter=Parameter(consume_multiple=True, negative="", show_env_var=False),
        version_flags=(),
        help_format="plaintext",
    )
    app.default(program)
    try:
        app(sys.argv[1:], exit_on_error=False, print_error=False, result_action="return_value")
    except MissingArgumentError as error:
        raise InputError(f"{_missing(error)}; see --help") from None
    except CycloptsError as error:
        raise InputError(f"{str(error).rstrip('.')}; see --help") from None


def _missing(error: MissingArgumentError) -> str:
    """Return what is wrong where an option has no value: it may not be given at all.

    cyclopts reports a missing option first, even where an unknown one was given in its place.
    """
    given = error.keyword or (error.argument and error.argument.tokens)
    if given or not error.argument:
        return str(error).rstrip(".")
    if unknown := error.unused_tokens:
        return f"unknown: {' '.join(unknown)}"
    return f"the option {error.argument.name} is missing"


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
