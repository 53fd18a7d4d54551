"""What a person who watches a run sees while its jobs are under way."""

import atexit
import threading
from collections.abc import Callable
from contextlib import suppress

from gapmatch.running.job_events import JobEvents
from gapmatch.running.run_estimate import about
from gapmatch.running.terminal_line import TerminalLine

TICK_SECONDS = 2.0
"""Logs are read, and the line of a terminal rewritten, so often."""
SETTLE_SECONDS = 0.1
"""Wait after a message before redrawing the line: others may follow."""
PLAIN_SECONDS = 25.0
"""Time between plain lines: even on slow disks, one at least every half minute."""
LOGS_READ = 20
"""Logs read in a tick. A cluster may have hundreds of jobs: their logs are read in turn."""
JOBS_LISTED = 5
"""Jobs that get a plain line."""
TICKS_SHOWN = 3
"""Ticks after which a terminal shows other jobs, where not all fit on its line."""


class RunProgress:
    """Tells how far a run and its jobs are, whenever it is asked.

    Args:
        events: Knows the jobs.
    """

    def __init__(self, events: JobEvents) -> None:
        self.events = events
        self._ticks = 0
        self._next_log = 0

    def look(self) -> None:
        """Read the logs of some jobs: of all in turn."""
        self._ticks += 1
        jobs = self.events.jobs()
        self._next_log %= max(1, len(jobs))
        turn = jobs[self._next_log :] + jobs[: self._next_log]
        for job in turn[:LOGS_READ]:
            job.look(self.events.clock())
        self._next_log += LOGS_READ

    def line(self, width: int) -> str:
        """Return the run and as many of its jobs as fit; nothing where none is under way."""
        if not (texts := self._job_texts()):
            return ""
        whole, short = self._short_heads()
        if len(line := " | ".join([whole, *texts])) <= width:
            return line
        first = self._ticks // TICKS_SHOWN % len(texts)
        turn = texts[first:] + texts[:first]
        line = f"{whole} | {turn[0]}"
        if len(line) > width:
            line = f"{short} | {turn[0]}"
        for shown, text in enumerate(turn[1:], start=1):
            if len(f"{line} | {text}") > width:
                more = f" | {len(turn) - shown} more"
                return (line + more if len(line + more) <= width else line)[:width]
            line += f" | {text}"
        return line[:width]

    def plain(self) -> str:
        """Return the run in a line, and some of its jobs in lines below."""
        if not (texts := self._job_texts()):
            return ""
        lines = texts[:JOBS_LISTED]
        if len(texts) > JOBS_LISTED:
            lines.append(f"and {len(texts) - JOBS_LISTED} more")
        return "\n    ".join([f"{self._long_head()}:", *lines])

    def _job_texts(self) -> list[str]:
        """Return the jobs under way, first the one that ends last, last those that tell nothing."""
        now = self.events.clock()
        jobs = sorted(
            self.events.jobs(),
            key=lambda job: (job.left(now) or 0.0, job.progress is not None),
            reverse=True,
        )
        return [job.text(now) for job in jobs]

    def _short_heads(self) -> tuple[str, str]:
        """Return how far the run is, for a line that has place, and for one that has little."""
        done = f"{self.events.done}/{self.events.total} steps"
        if not (estimate := self.events.estimate()):
            return done, done
        percent, left = f"{estimate.percent}%", f"{about(estimate.left)} left"
        return f"{percent}, {done}, {left}", f"{percent}, {left}"

    def _long_head(self) -> str:
        """Return how far the run is: work by weight, steps, jobs, time, time left."""
        events, estimate = self.events, self.events.estimate()
        parts = [f"{events.done} of {events.total} steps", events.status()]
        if estimate:
            parts = [f"{estimate.percent}% of the work", *parts]
            parts.append(f"{about(estimate.left)} left")
        return ", ".join(parts)


class ProgressDisplay:
    """Shows how far a run is, in a thread of its own.

    Args:
        progress: Tells it.
        line: The line of a terminal, where there is one.
        say: Says plain lines, where there is none.
    """

    def __init__(
        self, progress: RunProgress, line: TerminalLine | None, say: Callable[[str], None]
    ) -> None:
        self.progress, self.line, self.say = progress, line, say
        self._looked = self._said = progress.events.clock()
        self._ended = threading.Event()

    def start(self) -> threading.Thread:
        """Begin to show, in a thread that is returned; the end of the process ends it."""
        atexit.register(self.end)
        thread = threading.Thread(target=self._run, name="progress", daemon=True)
        thread.start()
        return thread

    def end(self) -> None:
        """Show nothing more."""
        self._ended.set()
        self.progress.events.news.set()
        if self.line:
            self.line.close_line()

    def tick(self) -> None:
        """Look at the logs where it is time for that, and show how the run stands."""
        now = self.progress.events.clock()
        if now - self._looked >= TICK_SECONDS:
            self._looked = now
            self.progress.look()
        if self.line:
            self.line.show(self.progress.line(self.line.width))
        elif now - self._said >= PLAIN_SECONDS:
            self._said = now
            if text := self.progress.plain():
                self.say(text)

    def _run(self) -> None:
        news = self.progress.events.news
        # Whoever watched has gone where nothing can be written: that is no error of the run.
        with suppress(OSError, ValueError):
            while not self._ended.wait(SETTLE_SECONDS):
                self.tick()
                news.wait(TICK_SECONDS)
                news.clear()
