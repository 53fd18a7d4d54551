"""One pass over the data for several jobs: the first answers for all, the others fetch theirs.

Jobs of one rule that read the same data are planned, recorded and run again one by one, so that a
further one costs only itself. But reading the data is what takes long, and so does the start of a
program that computes. The job that comes first therefore answers all those that are due, and
leaves the answers of the others in a folder. Each is kept under a key of all that it depends on:
an answer to another question is not found.
"""

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

from gapmatch.running.resumption import LOCK, delete_state, has_locks, try_lock

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two looks whether another job has finished."""


@dataclass(frozen=True)
class Question:
    """What one job asks.

    Attributes:
        name: For the log.
        inputs: Files that the answer depends on.
        outputs: Files that hold the answer; their names differ.
    """

    name: str
    inputs: tuple[Path, ...]
    outputs: tuple[Path, ...]

    def places(self, waiting: Path) -> tuple[Path, ...]:
        """Return where the files of an answer go, which wait in a folder under their names."""
        return self.outputs

    def due(self) -> bool:
        """Return whether it can be answered and is not: an output is missing or older."""
        try:
            newest = max(path.stat().st_mtime_ns for path in self.inputs)
        except FileNotFoundError:
            return False
        try:
            return min(path.stat().st_mtime_ns for path in self.outputs) < newest
        except FileNotFoundError:
            return True

    def key(self, settings: str) -> str:
        """Return a name for the answer to this question, with these inputs and settings."""
        states = [(path, path.stat()) for path in self.inputs]
        parts = [(str(path), state.st_size, state.st_mtime_ns) for path, state in states]
        text = json.dumps([settings, [str(path) for path in self.outputs], parts])
        return hashlib.sha256(text.encode()).hexdigest()[:16]


Asked = TypeVar("Asked", bound=Question)


def answer(
    folder: Path,
    own: Asked,
    others: Sequence[Asked],
    settings: str,
    compute: Callable[[Sequence[tuple[Asked, Sequence[Path]]]], None],
) -> None:
    """Fetch the answer to a question; unless it is there, answer it and all others that are due.

    While another job computes for the folder, wait. Where the file system has no locks, a job
    answers for itself alone.

    Args:
        folder: Where answers wait, of jobs that share a pass.
        own: The question of this job.
        others: Those of the other jobs; the own may be among them.
        settings: What all answers depend on beside their inputs.
        compute: Answers questions in one pass; the answer to each goes to given paths, in the order
            of its outputs.
    """
    lock = _wait_for(folder, own, settings)
    if lock is None:
        return
    try:
        asked = [own]
        if has_locks(lock):
            asked += [one for one in others if one.name != own.name and one.due()]
        keys = {one.name: one.key(settings) for one in asked}
        if has_locks(lock):
            _delete_others(folder, set(keys.values()))
        waiting = [one for one in asked if not (folder / keys[one.name]).exists()]
        if len(waiting) > 1:
            names = ", ".join(one.name for one in waiting[1:])
            logger.info("in the same pass, for other jobs: %s", names)
        parts = {one.name: folder / f"{keys[one.name]}{_mark()}" for one in waiting}
        for part in parts.values():
            part.mkdir()
        compute([(one, [parts[one.name] / path.name for path in one.outputs]) for one in waiting])
        for one in waiting:
            _leave(parts[one.name], folder / keys[one.name])
        _fetch(folder / keys[own.name], own)
        if _is_empty(folder):
            delete_state(folder)
    finally:
        os.close(lock)


def _wait_for(folder: Path, own: Question, settings: str) -> int | None:
    """Lock the folder when no other job computes there; None if the answer was there."""
    told = False
    while not fetched(folder, own, settings):
        if (lock := try_lock(folder)) is not None:
            # Who had it may just have left the answer.
            if not (folder / own.key(settings)).exists():
                return lock
            os.close(lock)
            continue
        if not told:
            logger.info("another job reads the same data, maybe for this one too: waiting for it")
            told = True
        time.sleep(INTERVAL)
    return None


def fetched(folder: Path, own: Question, settings: str) -> bool:
    """Move an answer that waits into place, and tell whether there was one."""
    waiting = folder / own.key(settings)
    if not waiting.is_dir():
        return False
    logger.info("another job has read the data for this one: its answer is in %s", waiting)
    _fetch(waiting, own)
    if _is_empty(folder) and (lock := try_lock(folder)) is not None:
        if _is_empty(folder):
            delete_state(folder)
        os.close(lock)
    return True


def _fetch(waiting: Path, own: Question) -> None:
    for output, place in zip(own.outputs, own.places(waiting), strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        (waiting / output.name).replace(place)
        os.utime(place)
    waiting.rmdir()


def _is_empty(folder: Path) -> bool:
    with suppress(FileNotFoundError):
        return all(entry.name == LOCK for entry in folder.iterdir())
    return False


def _mark() -> str:
    """Return what the name of an answer ends with that this process has not finished."""
    return f".{os.getpid()}{_of_this_machine()}"


def _of_this_machine() -> str:
    return f".{socket.gethostname()}.part"


def _leave(part: Path, waiting: Path) -> None:
    """Give a finished answer its name, unless another machine has left the same."""
    try:
        part.replace(waiting)
    except OSError:
        if not waiting.is_dir():
            raise
        shutil.rmtree(part)


def _delete_others(folder: Path, keys: set[str]) -> None:
    """Delete what a killed job left half done, and answers to questions of the past.

    A lock may hold on one machine only (Lustre mounted with ``localflock``): what is half done on
    another machine may be at work there.
    """
    for entry in folder.iterdir():
        half = entry.suffix == ".part" and not entry.name.endswith(_of_this_machine())
        if entry.is_dir() and entry.name not in keys and not half:
            shutil.rmtree(entry)


def beside(path: Path, level: int, name: str) -> Path:
    """Return a path of which the folder so many levels up has another name."""
    folder = path.parents[level]
    return folder.with_name(name) / path.relative_to(folder)
