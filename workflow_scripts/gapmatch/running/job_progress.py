"""How far a job is, from what its program writes into the job's log."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

CUT = 60
"""Characters shown of a line that tells no progress."""
LONGEST = 1_000
"""Characters of a line that are looked at."""
# Bounded: what a log holds is anything, and a search must not take long in a line of digits.
NUMBER = r"(?<![\d.])\d[\d.]{0,15}[kMGT]?"
TIME = r"(?:\d{1,6} days?, )?\d{1,6}:\d\d(?::\d\d)?"
BAR = re.compile(
    rf"(?P<done>{NUMBER})/(?P<total>{NUMBER}) \[[\d:]+<(?P<left>{TIME}|\?), +"
    rf"(?P<rate>{NUMBER}|\?)(?P<inverse>s/)?(?P<unit>[^]/,]+)"
)
TRAINING = re.compile(
    r"Train Epoch: (?P<epoch>\d+) \[ *(?P<done>\d+)/(?P<total>\d+) .*?(?P<rate>[\d.e+]+)/s,"
    rf"(?:.* Epochs: (?P<epochs>\d+))?(?:.* Time left: (?P<left>{TIME}))?"
)
K_MEANS = re.compile(
    r"k-means, (?P<amount>iteration \d+ of at most \d+): .*; (?P<rate>[\d.]+) s/iteration, "
    rf"at most (?P<left>{TIME}) left"
)
PREFIX = re.compile(r"\d{4}-\d\d-\d\d[ ,]\S+ (?:\| )?[A-Z]+ (?:\| |\S+: )")
"""Time, level and name before what a program logs."""


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        amount: What is done of what, for people.
        left: Seconds until the job ended when that was written, where its log tells.
        details: What narrow lines may lack: the rate, for one.
        full: Whether all is done that the line tells of; the program may go on with something else.
    """

    amount: str
    left: float | None = None
    details: tuple[str, ...] = ()
    full: bool = False

    def text(self, left: float | None) -> str:
        """Return all of it for people, with the seconds left by now in place of those of then."""
        times = [] if left is None or self.left is None else [f"{time_text(left)} left"]
        return ", ".join([self.amount, *times, *self.details])


def seconds_of(text: str) -> float:
    """Return the seconds of a time: 05:10, 1:05:10 or 2 days, 1:05:10."""
    days, _, clock = text.rpartition(", ")
    seconds = 0
    for part in clock.split(":"):
        seconds = 60 * seconds + int(part)
    return seconds + 86_400 * int(days.partition(" ")[0] or 0)


def time_text(seconds: float) -> str:
    """Return a time as people see it everywhere: h:mm:ss, with days before it."""
    return str(timedelta(seconds=round(seconds)))


def printable(text: str) -> str:
    """Return a text without what would steer a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def _bar(found: re.Match[str]) -> Progress:
    """Return the progress of a tqdm bar."""
    of = printable(found["unit"])
    amount = f"{found['done']}/{found['total']} {of}s"
    if found["left"] == "?":
        return Progress(amount)
    full = found["done"] == found["total"]
    left = None if full else seconds_of(found["left"])
    unit = f"s/{of}" if found["inverse"] else f"{of}s/s"
    return Progress(amount, left, (f"{found['rate']} {unit}",), full)


def _training(found: re.Match[str]) -> Progress:
    """Return the progress of open_clip_train, which counts epochs from 0."""
    epochs = f"/{found['epochs']}" if found["epochs"] else ""
    amount = f"epoch {int(found['epoch']) + 1}{epochs}"
    samples = f"{found['done']}/{found['total']} samples"
    left = seconds_of(found["left"]) if found["left"] else None
    return Progress(amount, left, (samples, f"{float(found['rate']):.0f} samples/s"))


def _k_means(found: re.Match[str]) -> Progress:
    return Progress(found["amount"], seconds_of(found["left"]), (f"{found['rate']} s/iteration",))


PARSERS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Progress]], ...] = (
    (TRAINING, _training),
    (K_MEANS, _k_means),
    (BAR, _bar),
)


def parse(line: str) -> Progress | None:
    """Return the progress that a line tells; None where it tells none."""
    for pattern, read in PARSERS:
        if found := pattern.search(line[:LONGEST]):
            with suppress(ValueError):  # it looks like a number, and is none
                return read(found)
    return None


def progress_of(lines: Sequence[str]) -> Progress | None:
    """Return how far a job is, from the last lines of its log; None where there are none.

    The last line with progress decides. If it is complete (a full bar) and others follow, or no
    line has any, it is the start of the last line.
    """
    for line in reversed(lines):
        if found := parse(line):
            if found.full and line != lines[-1]:
                break
            return found
    if not lines:
        return None
    text = PREFIX.sub("", lines[-1], count=1).encode("ascii", "replace").decode()
    shown = printable(text)
    return Progress(shown if len(shown) <= CUT else f"{shown[: CUT - 3]}...")
