"""The time that is left, from the work that is done."""

import logging
import re
import time
from collections.abc import Callable
from datetime import timedelta

PROGRESS = re.compile(r"Train Epoch: (\d+) \[ *(\d+)/(\d+) ")


class TimeLeft(logging.Filter):
    """Adds epochs and time left to open_clip_train's lines of progress, which tell only the rate.

    The speed is that since the first such line, validation and checkpoints included.

    Args:
        epochs: Epochs of the whole training.
        clock: Tells the time in seconds.
    """

    def __init__(self, epochs: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.epochs, self.clock = epochs, clock
        self.first: tuple[float, float] | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass; add to those of progress."""
        if found := PROGRESS.match(record.getMessage()):
            epoch, samples, total = map(int, found.groups())
            done, now = epoch + samples / total, self.clock()
            told = f"{record.getMessage()} Epochs: {self.epochs}"
            if self.first and done > self.first[0]:
                speed = (now - self.first[1]) / (done - self.first[0])
                left = timedelta(seconds=round(max(0.0, self.epochs - done) * speed))
                told += f" Time left: {left}"
            record.msg, record.args = told, ()
            self.first = self.first or (done, now)
        return True
