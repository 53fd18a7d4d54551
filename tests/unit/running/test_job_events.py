"""What is said of jobs, given the events that Snakemake logs."""

import logging
from pathlib import Path
from typing import Any

import pytest

from gapmatch.running.job_events import (
    LINES,
    QUEUED_SECONDS,
    JobEvents,
    last_lines,
    last_states,
    show_end,
)
from gapmatch.running.run_estimate import Planned, RunEstimate


class Listener:
    """A logger with the handler, and all that was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.errors: list[str] = []
        self.logger = logging.Logger("events")
        self.now = 0.0
        self.events = JobEvents(
            self.said.append,
            self.errors.append,
            RunEstimate({"embed": Planned(4, 60)}),
            total=4,
            clock=lambda: self.now,
        )
        self.logger.addHandler(self.events)

    def log(self, event: str, **fields: object) -> None:
        self.logger.info(event, extra={"event": event, **fields})

    def begin(self, job: int, *logs: Path, **wildcards: str) -> Any:
        self.log(
            "job_info", jobid=job, rule_name="embed", wildcards=wildcards, log=list(map(str, logs))
        )
        return self.events.under_way[job]


def test_counts_follow_the_jobs() -> None:
    listener = Listener()
    for job in (1, 2, 3):
        listener.begin(job)
    listener.log("job_finished", job_id=1)
    listener.log("progress", done=1, total=3)
    listener.log("job_error", jobid=2, log=[])
    listener.begin(2)  # another attempt
    listener.log("job_finished", job_id=3)
    listener.log("progress", done=2, total=3)
    counts = [line.partition(", time ")[0] for line in listener.said]
    assert counts == ["2 under way, 0 failed", "1 under way, 1 failed", "1 under way, 0 failed"]


def test_other_messages_are_not_answered() -> None:
    listener = Listener()
    listener.logger.error("anything")
    listener.log("shellcmd", cmd="true")
    assert listener.said == listener.errors == []


def test_end_of_the_log_is_shown(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("".join(f"line {n}\n" for n in range(100_000)), encoding="utf-8")
    listener = Listener()
    listener.log("job_error", jobid=1, log=[str(log)])
    header, *lines = listener.errors[0].splitlines()
    assert str(log) in header
    assert [line.strip() for line in lines] == [
        f"line {n}" for n in range(100_000 - LINES, 100_000)
    ]


def test_end_of_the_log_steers_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "job.log").write_text("caf\u00e9 \x1b[2J\n", encoding="utf-8")
    assert show_end(str(tmp_path / "job.log")).splitlines()[1] == "    caf\u00e9  [2J"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            b"\r  0%|    | 0/9\r 50%|##  | 4/9\r100%|####| 9/9\nerror: x\n",
            ["100%|####| 9/9", "error: x"],
        ),
        (b"a\r\nb\r\n\n", ["a", "b"]),
        (b"half a line", ["half a line"]),
        (b"\xff\xfe\n", ["\ufffd\ufffd"]),
        (b"", []),
    ],
)
def test_last_lines(tmp_path: Path, text: bytes, lines: list[str]) -> None:
    log = tmp_path / "job.log"
    log.write_bytes(text)
    assert last_lines(log) == lines


def test_log_that_was_never_written(tmp_path: Path) -> None:
    listener = Listener()
    listener.log("job_error", jobid=1, log=[str(tmp_path / "none.log")])
    assert str(tmp_path / "none.log") in listener.errors[0]
    assert "No such file" in listener.errors[0]


def test_states_of_bars_that_share_a_line(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_bytes(b"begins\n\r 0/3 [00:00<?]\r 1/3 [00:05<00:10]\r1it [00:09]\n")
    assert last_states(log) == ["begins", " 0/3 [00:00<?]", " 1/3 [00:05<00:10]", "1it [00:09]"]


def test_job_is_named_by_rule_and_wildcards() -> None:
    listener = Listener()
    assert listener.begin(1, embedder="b16", chunk="00000").name == "embed b16/00000"
    assert listener.begin(2).name == "embed"


def test_log_of_an_earlier_attempt_tells_nothing(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    log.write_text("begins\n50% 5/10 [00:05<00:05, 1.00image/s]\n", encoding="utf-8")
    listener = Listener()
    job = listener.begin(1, log)
    job.look(now=1)
    assert job.progress is None
    log.write_text("10% 1/10 [00:01<00:09, 1.00image/s]\n", encoding="utf-8")
    job.look(now=2)
    assert job.progress.amount == "1/10 images"
    log.unlink()
    job.look(now=3)  # no news
    assert job.progress.amount == "1/10 images"


@pytest.mark.parametrize(
    ("waited", "since"), [(QUEUED_SECONDS, 0), (QUEUED_SECONDS + 1, QUEUED_SECONDS + 1)]
)
def test_time_in_a_queue_is_no_work(tmp_path: Path, waited: float, since: float) -> None:
    log = tmp_path / "job.log"
    job = Listener().begin(1, log)
    job.look(now=waited - 1)
    log.touch()
    job.look(now=waited)
    assert job.since == since


def test_end_that_a_log_told_is_not_forgotten(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    job = Listener().begin(1, log)
    log.write_text("10% 1/10 [00:01<00:09, 1.00image/s]\n", encoding="utf-8")
    job.look(now=1)
    log.write_text("0% 0/2 [00:00<?, ?shard/s]\n", encoding="utf-8")
    job.look(now=4)
    assert job.left(now=5) == 5
    assert job.left(now=11) == 0


def test_time_left_passes_while_the_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    job = Listener().begin(1, log)
    log.write_text("10% 1/10 [00:01<01:09, 1.00image/s]\n", encoding="utf-8")
    for now in (1, 3, 11):
        job.look(now=now)
    assert job.text(now=11) == "embed: 1/10 images, 0:00:59 left, 1.00 images/s"


def test_estimate_needs_a_finished_job_and_no_failed_one() -> None:
    listener = Listener()
    for job in (1, 2):
        listener.begin(job)
    assert listener.events.estimate() is None
    listener.now = 10
    listener.log("job_finished", job_id=1)
    estimate = listener.events.estimate()
    assert estimate is not None
    assert (estimate.share, estimate.left) == (0.5, 10)  # two more of 10 s, two at a time
    listener.log("job_error", jobid=2, log=[])
    assert listener.events.estimate() is None


def test_job_that_never_began_can_finish() -> None:
    Listener().log("job_finished", job_id=7)
