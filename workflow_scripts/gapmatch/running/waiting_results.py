"""The folder in which results wait for their jobs, safe from processes that are killed or meet.

Each result is a folder of its own, of which the name is its key; what one process works in has
another name, until it is renamed.
"""

import errno
import logging
import os
import shutil
import socket
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gapmatch.running.atomic import atomic_path
from gapmatch.running.resumption import LOCK

logger = logging.getLogger(__name__)

COMPUTED_BY = "computed_by.txt"
"""Says beside a result which job computed it."""

UNFINISHED = ".unfinished"
"""What the names of folders end with that one process works in."""

FORGOTTEN = 7 * 24 * 3600
"""Seconds after which no process of another machine works in a folder any more."""


def unfinished(folder: Path, key: str) -> Path:
    """Make a folder that this process works in; its name tells process and machine."""
    part = folder / f"{key}.{os.getpid()}.{socket.gethostname()}{UNFINISHED}"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    return part


def _is_in_use(part: Path) -> bool:
    """Return whether a process may work in an unfinished folder.

    A lock may hold on one machine only (Lustre mounted with ``localflock``), and who fetches a
    result has none.
    """
    _, process, machine = part.name.removesuffix(UNFINISHED).split(".", 2)
    try:
        if machine != socket.gethostname():
            return time.time() - part.stat().st_mtime < FORGOTTEN
        os.kill(int(process), 0)
    except (ProcessLookupError, FileNotFoundError):
        return False
    except PermissionError:
        pass  # another user's
    return True


def is_at_hand(folder: Path, key: str) -> bool:
    """Return whether a result waits, is being fetched, or is computed on another machine."""
    if (folder / key).exists():
        return True
    return any(_is_in_use(part) for part in folder.glob(f"{key}.*{UNFINISHED}"))


def is_whole(part: Path, outputs: Sequence[Path]) -> bool:
    """Return whether all files of a result are there, under the names of their outputs."""
    return all((part / path.name).is_file() for path in outputs)


def leave(part: Path, waiting: Path, computed_by: str) -> None:
    """Leave a result for its job, unless another machine has left the same."""
    try:
        (part / COMPUTED_BY).write_text(_this_job(computed_by), encoding="utf-8")
        part.replace(waiting)
    except OSError as error:
        logger.warning("a result was not left for its job (%s)", error)


def _this_job(name: str) -> str:
    """Return what tells this job from others: its name, machine, process, and id on SLURM."""
    slurm = os.environ.get("SLURM_JOB_ID")
    job = f", SLURM job {slurm}" if slurm else ""
    return f"{name} on {socket.gethostname()}, process {os.getpid()}{job}"


def move(file: Path, place: Path) -> None:
    """Move a file, also where a link has put its place on another file system."""
    try:
        file.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with atomic_path(place) as temporary:
            shutil.copyfile(file, temporary)


def delete_others(folder: Path, keys: set[str]) -> None:
    """Delete results of other inputs or settings."""
    for entry in folder.iterdir():
        if entry.is_dir() and entry.suffix != UNFINISHED and entry.name not in keys:
            shutil.rmtree(entry, ignore_errors=True)


def tidy(folder: Path) -> None:
    """Delete what killed jobs left half done; remove a locked folder in which no result waits.

    The lock goes last: without it another job would take the folder for its own meanwhile.
    """
    with suppress(OSError):
        for part in folder.glob(f"*{UNFINISHED}"):
            if not _is_in_use(part):
                shutil.rmtree(part, ignore_errors=True)
        if all(entry.name == LOCK for entry in folder.iterdir()):
            (folder / LOCK).unlink()
            folder.rmdir()
