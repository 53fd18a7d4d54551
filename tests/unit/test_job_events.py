"""What is said of jobs, given the events that Snakemake logs."""

import logging
from pathlib import Path

import pytest

from gapmatch.job_events import LINES, JobEvents, last_lines


class Listener:
    """A logger with the handler, and all that was said."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.errors: list[str] = []
        self.logger = logging.Logger("events")
        self.logger.addHandler(JobEvents(self.said.append, self.errors.append))

    def log(self, event: str, **fields: object) -> None:
        self.logger.info(event, extra={"event": event, **fields})


def test_counts_follow_the_jobs() -> None:
    listener = Listener()
    for job in (1, 2, 3):
        listener.log("job_info", jobid=job)
    listener.log("job_finished", job_id=1)
    listener.log("progress", done=1, total=3)
    listener.log("job_error", jobid=2, log=[])
    listener.log("job_info", jobid=2)  # another attempt
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
