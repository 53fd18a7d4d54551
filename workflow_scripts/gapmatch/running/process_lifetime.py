"""Processes that end with the one that started them, however that one ends."""

import ctypes
import os
import signal
from collections.abc import Callable

PR_SET_PDEATHSIG = 1
"""Linux's prctl(2): the signal that a process gets when its parent ends."""


def end_with_parent() -> None:
    """Have the system kill this process when its parent ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def ending_with_this_process() -> Callable[[], None]:
    """Return what a child of this process does before its program begins (``preexec_fn``)."""
    parent = os.getpid()

    def prepare() -> None:
        end_with_parent()
        if os.getppid() != parent:  # it ended meanwhile
            os.kill(os.getpid(), signal.SIGKILL)

    return prepare
