"""One pass over the data for several jobs: the first computes all results, the others fetch theirs.

Snakemake plans, records and reruns such jobs one by one, so that a further one computes only
itself. But reading the data takes most of the time, as does the start of a program that computes.
The first job therefore computes all results that are due, and leaves those of the others in a
folder. Each lies there under a hash of its inputs, outputs and settings: a result of other inputs
or settings is never taken.
"""

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from gapmatch.running.errors import InputError
from gapmatch.running.resumption import LOCK, has_locks, try_lock
from gapmatch.running.waiting_results import (
    COMPUTED_BY,
    delete_others,
    is_at_hand,
    is_whole,
    leave,
    move,
    tidy,
    unfinished,
)

logger = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between two looks whether another job has finished."""


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
        return not self.is_newer(self.outputs)

    def is_newer(self, files: Sequence[Path]) -> bool:
        """Return whether files are there and no older than the inputs.

        Raises:
            FileNotFoundError: An input does not exist.
        """
        newest = max(path.stat().st_mtime_ns for path in self.inputs)
        try:
            return min(path.stat().st_mtime_ns for path in files) >= newest
        except FileNotFoundError:
            return False

    def key(self, settings: str) -> str:
        """Return a name for the result of these inputs and settings.

        Raises:
            InputError: An input does not exist.
        """
        try:
            states = [(path.absolute(), path.stat()) for path in self.inputs]
        except FileNotFoundError as error:
            raise InputError(f"{error.filename}: not found; make it first.") from None
        parts = [(str(path), state.st_size, state.st_mtime_ns) for path, state in states]
        text = json.dumps([settings, [str(path.absolute()) for path in self.outputs], parts])
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
        compute: Computes in one pass what some jobs want, the own first; each result goes to given
            paths, in the order of its outputs. It may leave out what others want.

    Raises:
        InputError: An input of the job does not exist.
    """
    lock = _wait_for(folder, own, settings)
    if lock is None:
        return
    parts: list[Path] = []
    try:
        wanted = {own.name: own}
        if has_locks(lock):
            wanted |= {one.name: one for one in others if one.name != own.name}
        keys = _keys(wanted, settings)
        if has_locks(lock):
            delete_others(folder, set(keys.values()))
        # In this order: what is at hand may be fetched meanwhile, and is then not due.
        missing = [
            wanted[name]
            for name, key in keys.items()
            if name == own.name or (not is_at_hand(folder, key) and _is_due(wanted[name]))
        ]
        if len(missing) > 1:
            names = ", ".join(one.name for one in missing[1:])
            logger.info("this pass also computes the results of other jobs: %s", names)
        parts = [unfinished(folder, keys[one.name]) for one in missing]
        compute(
            [
                (one, [part / path.name for path in one.outputs])
                for one, part in zip(missing, parts, strict=True)
            ]
        )
        _place(parts[0], own)
        shutil.rmtree(folder / keys[own.name], ignore_errors=True)  # of another machine
        for one, part in zip(missing[1:], parts[1:], strict=True):
            if is_whole(part, one.outputs):
                leave(part, folder / keys[one.name], own.name)
    finally:
        for part in parts:
            shutil.rmtree(part, ignore_errors=True)
        tidy(folder)
        os.close(lock)


def _is_due(one: Request) -> bool:
    try:
        return one.due()
    except FileNotFoundError:
        return False


def _keys(wanted: dict[str, Wanted], settings: str) -> dict[str, str]:
    """Return the keys of requests, the own first; without others whose inputs have just gone."""
    own, *others = wanted
    keys = {own: wanted[own].key(settings)}
    for name in others:
        with suppress(InputError):
            keys[name] = wanted[name].key(settings)
    return keys


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
    """Move a result that waits into place, and tell whether there was one.

    Raises:
        InputError: An input of the job does not exist.
    """
    key = own.key(settings)
    if not (folder / key).is_dir():
        return False
    claimed = unfinished(folder, key)
    try:
        (folder / key).replace(claimed)  # of an empty folder
        if not is_whole(claimed, own.outputs):
            return False
        by = (claimed / COMPUTED_BY).read_text(encoding="utf-8")
        logger.info("fetching the result, which another job has computed: %s", by)
        _place(claimed, own)
    except FileNotFoundError:
        return False  # another job has just deleted it, as one of other inputs
    finally:
        shutil.rmtree(claimed, ignore_errors=True)
        if (lock := try_lock(folder)) is not None:
            tidy(folder)
            os.close(lock)
    return True


def _place(part: Path, own: Request) -> None:
    for output, place in zip(own.outputs, own.places(part), strict=True):
        place.parent.mkdir(parents=True, exist_ok=True)
        move(part / output.name, place)
        os.utime(place)


def beside(path: Path, level: int, name: str) -> Path:
    """Return the path with the folder so many levels up renamed."""
    folder = path.absolute().parents[level]
    return folder.with_name(name) / path.absolute().relative_to(folder)
