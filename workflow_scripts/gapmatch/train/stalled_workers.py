"""Workers that wait for their file system for ever: noticed in the worker, ended by the training.

A worker whose read never returns cannot be ended, and raises nothing: its own thread tells that it
makes no progress, and the training's process ends itself when it reads that.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from gapmatch.running.atomic import write_text

STALLED_SECONDS = 60.0
"""A worker that reads for so long without coming to another file of a shard is stalled."""
LOOK_SECONDS = 5.0


class Watch:
    """Tells, by a thread of its own, when this process reads a shard without making progress.

    Time counts only while the process reads: one whose samples nobody takes is not stalled.

    Args:
        report: File that says why the training ended.
        seconds: Without progress, after which it is written.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        report: Path,
        seconds: float = STALLED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.report, self.seconds, self.clock = report, seconds, clock
        self.tar: Path | None = None
        self.since = clock()
        self.thread: threading.Thread | None = None

    def reads(self, tar: Path) -> None:
        """Begin to read a shard, or go on with it."""
        self.tar = tar
        self.progresses()
        if self.thread is None:  # not before: a worker is forked from the process that made this
            self.thread = threading.Thread(target=self._look, daemon=True)
            self.thread.start()

    def progresses(self) -> None:
        """Note that a file of the shard was reached."""
        self.since = self.clock()

    def waits(self) -> None:
        """Stop the time: what was read is to be taken now."""
        self.tar = None

    def told(self) -> bool:
        """Write the report if the process is stalled; return whether it is."""
        tar, passed = self.tar, self.clock() - self.since
        if tar is None or passed < self.seconds:
            return False
        write_text(
            self.report,
            f"reading {tar} got no further for {passed:.0f} seconds: its file system does not "
            "answer; start again, and the training goes on from its last epoch",
        )
        return True

    def _look(self) -> None:
        while not self.told():
            time.sleep(min(LOOK_SECONDS, self.seconds / 2))


def end_when_told(report: Path, status: int) -> None:
    """Let a thread end this process, without more ado, when the report is there."""

    def look() -> None:
        while not report.exists():
            time.sleep(LOOK_SECONDS)
        os._exit(status)

    threading.Thread(target=look, daemon=True).start()
