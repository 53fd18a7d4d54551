"""One pass over the data for several jobs: the first computes all results, the others fetch theirs.

Snakemake plans, records and reruns such jobs one by one, so that a further one computes only
itself. But reading the data takes most of the time, as does the start of a program that computes.
The first job therefore computes all results that are due, and leaves those of the others in a
folder. Each lies there under a hash of its inputs, outputs and settings: a result of other inputs
or settings is never taken.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gapmatch.running.atomic import atomic_path, write_text
from gapmatch.running.resumption import LOCK, delete_state, has_locks, try_lock

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two looks whether another job has finished."""

COMPUTED_BY = "computed_by.txt"
"""Says beside a result which job computed it."""


@dataclass(frozen=True)
class Request:
    """What one job wants.

    Attributes:
        name: For the log.
        inputs: Files that the result depends on.
        outputs: Files of the result; their names differ.
    """

    name: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]

    def places(self, waiting: Path) -> tuple[Path, ...]:
        """Return where the files of a result go, which wait in a folder under their names."""
        return self.outputs

    def due(self) -> bool:
        """Return whether all inputs exist, and an output is missing or older than an input."""
        try:
            newest = max(path.stat().st_mtime_ns for path in self.inputs)
        except FileNotFoundError:
            return False
        try:
            return min(path.stat().st_mtime_ns for path in self.outputs) < newest
        except FileNotFoundError:
            return True

    def key(self, settings: str) -> str:
        """Return a name for the result of these inputs and settings."""
        states = [(path, path.stat()) for path in self.inputs]
        parts = [(str(path), state.st_size, state.st_mtime_ns) for path, state in states]
        text = json.dumps([settings, [str(path) for path in self.outputs], parts])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


Wanted = TypeVar("Wanted", bound=Request)


def share_pass(
    folder: Path,
    own: Wanted,
    others: Sequence[Wanted],
    settings: str,
    compute: Callable[[Sequence[tuple[Wanted, Sequence[Path]]]], None],
) -> None:
    """Fetch the result of a job; unless it is there, compute it with all others that are due.

    While another job computes in the folder, wait. Where the file system has no locks, a job
    computes for itself alone.

    Args:
        folder: Where results wait, of jobs that share a pass.
        own: What this job wants.
        others: What the other jobs want; the own may be among them.
        settings: What all results depend on beside their inputs.
        compute: Computes in one pass what some jobs want; each result goes to given paths, in the
            order of its outputs.
    """
    lock = _wait_for(folder, own, settings)
    if lock is None:
        return
    try:
        wanted = [own]
        if has_locks(lock):
            wanted += [one for one in others if one.name != own.name and one.due()]
        keys = {one.name: one.key(settings) for one in wanted}
        if has_locks(lock):
            _delete_others(folder, set(keys.values()))
        missing = [one for one in wanted if not (folder / keys[one.name]).exists()]
        if len(missing) > 1:
            names = ", ".join(one.name for one in missing[1:])
            logger.info("this pass also computes the results of other jobs: %s", names)
        parts = {one.name: folder / f"{keys[one.name]}{_mark()}" for one in missing}
        for part in parts.values():
            part.mkdir()
        compute([(one, [parts[one.name] / path.name for path in one.outputs]) for one in missing])
        for one in missing:
            write_text(parts[one.name] / COMPUTED_BY, _this_job(own.name))
            _leave(parts[one.name], folder / keys[one.name])
        _fetch(folder / keys[own.name], own)
        if _is_empty(folder):
            delete_state(folder)
    finally:
        os.close(lock)


def _wait_for(folder: Path, own: Request, settings: str) -> int | None:
    """Lock the folder when no other job computes there; None if the result was there."""
    told = False
    while not fetched(folder, own, settings):
        if (lock := try_lock(folder)) is not None:
            # The job that held it may just have left the result.
            if not (folder / own.key(settings)).exists():
                return lock
            os.close(lock)
            continue
        if not told:
            logger.info(
                "waiting: another job reads the same data, and may compute this result too (it "
                "holds %s)",
                folder / LOCK,
            )
            told = True
        time.sleep(INTERVAL)
    return None


def fetched(folder: Path, own: Request, settings: str) -> bool:
    """Move a result that waits into place, and tell whether there was one."""
    waiting = folder / own.key(settings)
    if not waiting.is_dir():
        return False
    if not all((waiting / path.name).is_file() for path in own.outputs):
        shutil.rmtree(waiting)  # its job was killed while it fetched them
        return False
    by = (waiting / COMPUTED_BY).read_text(encoding="utf-8")
    logger.info("fetching the result, which another job has computed: %s", by)
    _fetch(waiting, own)
    if _is_empty(folder) and (lock := try_lock(folder)) is not None:
        if _is_empty(folder):
            delete_state(folder)
        os.close(lock)
    return True


def _fetch(waiting: Path, own: Request) -> None:
    for output, place in zip(own.outputs, own.places(waiting), strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        _move(waiting / output.name, place)
        os.utime(place)
    (waiting / COMPUTED_BY).unlink()
    waiting.rmdir()


def _move(file: Path, place: Path) -> None:
    """Move a file, also where a link has put its place on another file system."""
    try:
        file.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        with atomic_path(place) as temporary:
            shutil.copyfile(file, temporary)
        file.unlink()


def _is_empty(folder: Path) -> bool:
    with suppress(FileNotFoundError):
        return all(entry.name == LOCK for entry in folder.iterdir())
    return False


def _this_job(name: str) -> str:
    """Return what tells this job from others: its name, machine, process, and id on SLURM."""
    slurm = os.environ.get("SLURM_JOB_ID")
    job = f", SLURM job {slurm}" if slurm else ""
    return f"{name} on {socket.gethostname()}, process {os.getpid()}{job}"


def _mark() -> str:
    """Return the suffix of a folder whose result this process is still computing."""
    return f".{os.getpid()}{_of_this_machine()}"


def _of_this_machine() -> str:
    return f".{socket.gethostname()}.part"


def _leave(part: Path, waiting: Path) -> None:
    """Give a finished result its name, unless another machine has left the same."""
    try:
        part.replace(waiting)
    except OSError:
        if not waiting.is_dir():
            raise
        shutil.rmtree(part)


def _delete_others(folder: Path, keys: set[str]) -> None:
    """Delete what a killed job left half done, and results of other inputs or settings.

    A lock may hold on one machine only (Lustre mounted with ``localflock``): another machine's
    unfinished folder may still be in use.
    """
    for entry in folder.iterdir():
        half = entry.suffix == ".part" and not entry.name.endswith(_of_this_machine())
        if entry.is_dir() and entry.name not in keys and not half:
            shutil.rmtree(entry)


def beside(path: Path, level: int, name: str) -> Path:
    """Return the path with the folder so many levels up renamed."""
    folder = path.parents[level]
    return folder.with_name(name) / path.relative_to(folder)
