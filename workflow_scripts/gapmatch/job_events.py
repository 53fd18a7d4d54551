"""What Snakemake's own lines leave out: jobs under way and failed, the time, the ends of logs."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from gapmatch.disk_space import is_full

LINES = 20
"""Lines shown of a failed job's log."""
TAIL_BYTES = 1 << 16
"""These lines are looked for in so many bytes at the end of the log."""


def last_lines(path: Path, lines: int = LINES) -> list[str]:
    """Return the last lines of a log that are not blank.

    Of a line that a progress bar wrote over again and again, its last state is returned.
    """
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        text = file.read().decode(errors="replace")
    states = (line.rstrip().rpartition("\r")[2].rstrip() for line in text.split("\n"))
    return [state for state in states if state][-lines:]


def show_end(log: str) -> str:
    """Return the end of a job's log under a line that names it.

    On a full disk the log may lack what the job said last, so that is said here.
    """
    try:
        lines = last_lines(Path(log)) or ["(empty)"]
        shown = [f"The end of {log}:", *(f"    {line}" for line in lines)]
    except OSError as error:
        shown = [f"The log {log} cannot be read: {error.strerror}"]
    if is_full(Path(log).parent):
        shown.append(
            f"No space is left on the device of {log}, or a quota is used up: "
            "free some and run the same command again"
        )
    return "\n".join(shown)


class JobEvents(logging.Handler):
    """Listens to the events that Snakemake logs, as its logger plugins do.

    Args:
        inform: Says a line.
        warn: Says an error.
    """

    def __init__(self, inform: Callable[[str], None], warn: Callable[[str], None]) -> None:
        super().__init__()
        self.inform, self.warn = inform, warn
        self.started = time.monotonic()
        self.under_way: set[int] = set()
        self.failed: set[int] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Count the job that a record is about; say how the run stands."""
        event = str(getattr(record, "event", None))
        if event == "job_info":  # a job is begun or submitted, perhaps once more
            self.under_way.add(record.__dict__["jobid"])
            self.failed.discard(record.__dict__["jobid"])
        elif event == "job_finished":
            self.under_way.discard(record.__dict__["job_id"])
        elif event == "job_error":
            self.under_way.discard(record.__dict__["jobid"])
            self.failed.add(record.__dict__["jobid"])
            for log in record.__dict__["log"]:
                self.warn(show_end(str(log)))
            self.inform(self.status())
        elif event == "progress":
            self.inform(self.status())

    def status(self) -> str:
        """Return how many jobs are under way, how many failed, and the time of the run."""
        passed = timedelta(seconds=round(time.monotonic() - self.started))
        return f"{len(self.under_way)} under way, {len(self.failed)} failed, time {passed}"
