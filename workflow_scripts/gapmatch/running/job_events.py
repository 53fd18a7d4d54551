"""What Snakemake's own lines leave out: jobs under way and failed, the time, the ends of logs."""

import logging
import re
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapmatch.running.disk_space import is_full
from gapmatch.running.job_progress import Progress, printable, progress_of, time_text
from gapmatch.running.run_estimate import Estimate, RunEstimate, UnderWay

LINES = 20
"""Lines shown of a failed job's log."""
TAIL_BYTES = 1 << 16
"""These lines are looked for in so many bytes at the end of the log."""
QUEUED_SECONDS = 10
"""A job whose log stays untouched for longer waited in a queue."""


def read_end(path: Path) -> str:
    """Return the end of a log."""
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - TAIL_BYTES))
        return file.read().decode(errors="replace")


def last_lines(path: Path, lines: int = LINES) -> list[str]:
    """Return the last lines of a log that are not blank.

    Of a line that a progress bar wrote over again and again, its last state is returned.
    """
    states = (line.rstrip().rpartition("\r")[2].rstrip() for line in read_end(path).split("\n"))
    return [state for state in states if state][-lines:]


def last_states(path: Path, states: int = LINES) -> list[str]:
    """Return the last lines of a log that are not blank, with what progress bars wrote over.

    Two bars may share a line: that of our program, and that of one which it runs.
    """
    written = (state.rstrip() for state in re.split(r"[\r\n]", read_end(path)))
    return [state for state in written if state][-states:]


def show_end(log: str) -> str:
    """Return the end of a job's log under a line that names it.

    On a full disk the log may lack what the job said last, so that is said here.
    """
    try:
        lines = last_lines(Path(log)) or ["(empty)"]
        shown = [f"The end of {log}:", *(f"    {printable(line)}" for line in lines)]
    except OSError as error:
        shown = [f"The log {log} cannot be read: {error.strerror}"]
    if is_full(Path(log).parent):
        shown.append(
            f"No space is left on the device of {log}, or a quota is used up: "
            "free some and run the same command again"
        )
    return "\n".join(shown)


@dataclass
class Job:
    """A job that was begun, or submitted to a queue.

    Attributes:
        rule: Name of its rule.
        name: Rule and wildcards, for people.
        log: Where its program writes.
        since: When it began, in seconds of the clock: not when it was put into a queue.
        read: State of the log when it was read; at first that of an earlier attempt, unread.
        begun: Whether anything was written to the log since.
        progress: How far it is, where the log tells.
        end: When it ends, in seconds of the clock, as the log told last.
    """

    rule: str
    name: str
    log: Path | None
    since: float
    read: tuple[int, int] | None
    begun: bool = False
    progress: Progress | None = None
    end: float | None = None

    def look(self, now: float) -> None:
        """Read how far the job is from what is new in its log.

        A log that cannot be read has no news.
        """
        if self.log is None or (state := written(self.log)) in (None, self.read):
            return
        self.read = state
        if not self.begun and now - self.since > QUEUED_SECONDS:
            self.since = now
        self.begun = True
        with suppress(OSError):
            self.progress = progress_of(last_states(self.log)) or self.progress
        if self.progress and self.progress.left is not None:
            self.end = now + self.progress.left

    def left(self, now: float) -> float | None:
        """Return the seconds until the job ends, as its log told last."""
        return None if self.end is None else max(0.0, self.end - now)

    def text(self, now: float) -> str:
        """Return what the job is and how far it is."""
        if self.progress:
            return f"{self.name}: {self.progress.text(self.left(now))}"
        return f"{self.name}: {'begins' if self.begun else 'no message yet'}"


def written(log: Path) -> tuple[int, int] | None:
    """Return when a log was written last, in nanoseconds, and its bytes; None without one."""
    try:
        status = log.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size


class JobEvents(logging.Handler):
    """Listens to the events that Snakemake logs, as its logger plugins do.

    Args:
        inform: Says a line.
        warn: Says an error.
        durations: Is told how long jobs took.
        total: Steps of the run.
        clock: Tells the time in seconds.

    Attributes:
        news: Set with every message, whatever it is about.
    """

    def __init__(
        self,
        inform: Callable[[str], None],
        warn: Callable[[str], None],
        durations: RunEstimate,
        total: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.inform, self.warn = inform, warn
        self.durations = durations
        self.clock = clock
        self.started = clock()
        self.under_way: dict[int, Job] = {}
        self.failed: set[int] = set()
        self.done, self.total = 0, total
        self.news = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Count the job that a record is about; say how the run stands."""
        event, fields = str(getattr(record, "event", None)), record.__dict__
        if event == "job_info":  # a job is begun or submitted, perhaps once more
            self.under_way[fields["jobid"]] = self._job(fields)
            self.failed.discard(fields["jobid"])
        elif event == "job_finished":
            if job := self.under_way.pop(fields["job_id"], None):
                self.durations.finish(job.rule, self.clock() - job.since)
        elif event == "job_error":
            self.under_way.pop(fields["jobid"], None)
            self.failed.add(fields["jobid"])
            for log in fields["log"]:
                self.warn(show_end(str(log)))
            self.inform(self.status())
        elif event == "progress":
            self.done, self.total = fields["done"], fields["total"]
            self.inform(self.status())
        self.news.set()

    def _job(self, fields: dict[str, Any]) -> Job:
        """Return the job that an event describes."""
        wildcards = "/".join(map(str, fields["wildcards"].values()))
        log = Path(fields["log"][0]) if fields["log"] else None
        return Job(
            rule=fields["rule_name"],
            name=f"{fields['rule_name']} {wildcards}".rstrip(),
            log=log,
            since=self.clock(),
            read=written(log) if log else None,
        )

    def jobs(self) -> list[Job]:
        """Return the jobs under way; threads other than that of the events may ask."""
        self.acquire()
        try:
            return list(self.under_way.values())
        finally:
            self.release()

    def estimate(self) -> Estimate | None:
        """Return how far the run is; None before a job has finished, and after a failure.

        Nobody knows what still runs after a failure. Threads may ask, as with jobs().
        """
        self.acquire()
        try:
            now = self.clock()
            jobs = [
                UnderWay(job.rule, now - job.since, job.left(now))
                for job in self.under_way.values()
            ]
            return None if self.failed else self.durations.estimate(now - self.started, jobs)
        finally:
            self.release()

    def status(self) -> str:
        """Return how many jobs are under way, how many failed, and the time of the run."""
        passed = time_text(self.clock() - self.started)
        return f"{len(self.under_way)} under way, {len(self.failed)} failed, time {passed}"
