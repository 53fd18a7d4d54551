"""Folders of unfinished work: what a killed job left is continued only if it is the same job."""

import errno
import fcntl
import json
import logging
import os
import shutil
import time
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
    for entry in state.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != LOCK:
            entry.unlink()
    write_json(marker, identity)
    return lock


def locked(state: Path) -> int:
    """Make and lock a folder of unfinished work, as soon as no earlier process holds its lock.

    Returns:
        The lock's file descriptor.

    Raises:
        InputError: One still does after PATIENCE.
    """
    end = time.monotonic() + PATIENCE
    told = False
    while True:
        state.mkdir(parents=True, exist_ok=True)
        try:
            lock = os.open(state / LOCK, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            continue
        # A process that ends its work deletes the folder, and with it the file that it has locked.
        if try_lock(lock, state) and is_at(lock, state / LOCK):
            return lock
        os.close(lock)
        if time.monotonic() >= end:
            raise InputError(
                f"{state} is in use: a process of an earlier run still works there (fuser "
                f"{state / LOCK} names it). Wait for its end, or stop it, and run again"
            )
        if not told:
            logger.info("%s is in use: waiting up to %.0f s for its processes", state, PATIENCE)
            told = True
        time.sleep(0.1)


def try_lock(lock: int, state: Path) -> bool:
    """Lock an open file, or tell that another process holds the lock; warn where there is none."""
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


def is_at(file: int, path: Path) -> bool:
    """Tell whether an open file is the one at a path."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
