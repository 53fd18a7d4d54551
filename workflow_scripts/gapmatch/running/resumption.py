"""Folders of unfinished work: what a killed job left is continued only if it is the same job."""

import errno
import fcntl
import json
import logging
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from gapmatch.running.atomic import write_json
from gapmatch.running.errors import InputError

logger = logging.getLogger(__name__)

LOCK = "lock"
PATIENCE = 20.0
"""Seconds that a job waits for the lock: the processes of one just killed need a moment to end."""
WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
"""What file systems say that are mounted without locks: NFS, Lustre, and others."""


def claim_state(state: Path, identity: str) -> int:
    """Make ``state`` ready for the job that ``identity`` describes, and lock it.

    The folder is kept when a run of the same job left it, and emptied otherwise: with other
    data or settings its content would be continued into a wrong result. The lock ends with the
    processes that hold it, however they end.

    Args:
        state: Folder of unfinished work.
        identity: Hash of all that the job's result depends on.

    Returns:
        The lock's file descriptor, to be passed on to processes that work in the folder.

    Raises:
        InputError: A process of an earlier run still works in the folder.
    """
    lock = locked(state)
    marker = state / "identity.json"
    if marker.exists() and json.loads(marker.read_text(encoding="utf-8")) == identity:
        logger.info("continuing in %s", state)
        return lock
    if marker.exists():
        logger.warning("%s is of other data or settings: it is deleted", state)
    empty(state)
    write_json(marker, identity)
    return lock


def empty(state: Path) -> None:
    """Delete all that a locked folder of unfinished work holds but its lock."""
    for entry in state.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()


def delete_state(state: Path) -> None:
    """Delete a locked folder of work that is finished.

    The lock goes last: without it another job would take the folder for its own meanwhile.
    """
    empty(state)
    (state / LOCK).unlink()
    with suppress(OSError):  # another job has claimed it since
        state.rmdir()


def locked(state: Path) -> int:
    """Make and lock a folder of unfinished work, as soon as no earlier process holds its lock.

    Returns:
        The lock's file descriptor.

    Raises:
        InputError: One still does after PATIENCE.
    """
    end = time.monotonic() + PATIENCE
    told = False
    while (lock := try_lock(state)) is None:
        if time.monotonic() >= end:
            raise InputError(
                f"{state} is in use: a process of an earlier run still works there (fuser "
                f"{state / LOCK} names it). Wait for its end, or stop it, and run again"
            )
        if not told:
            logger.info("%s is in use: waiting up to %.0f s for its processes", state, PATIENCE)
            told = True
        time.sleep(0.1)
    return lock


def try_lock(state: Path) -> int | None:
    """Make and lock a folder of unfinished work, if no other process holds its lock.

    Returns:
        The lock's file descriptor; None where another process holds it, or deletes the folder.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        lock = os.open(state / LOCK, os.O_RDWR | os.O_CREAT)
    except FileNotFoundError:
        return None
    except FileExistsError:
        if state.is_file():
            raise
        return None
    # Who has finished deletes the file that it has locked.
    if take(lock, state) and is_at(lock, state / LOCK):
        return lock
    os.close(lock)
    return None


def take(lock: int, state: Path) -> bool:
    """Lock an open file unless another process has, and tell whether it is locked now.

    Where the file system has no locks, that is warned of, and the file counts as locked.
    """
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        logger.warning(
            "%s: the file system has no locks (%s): nothing keeps a second run out of the folder",
            state,
            error.strerror,
        )
    return True


def has_locks(lock: int) -> bool:
    """Tell whether a file that counts as locked is: not all file systems have locks."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in WITHOUT_LOCKS:
            raise
        return False
    return True


def is_at(file: int, path: Path) -> bool:
    """Tell whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
