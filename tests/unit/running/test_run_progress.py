"""What is shown while jobs are under way, on a terminal and in a file."""

import io
import logging
from pathlib import Path

import pytest

from gapmatch.running.job_events import JobEvents
from gapmatch.running.run_estimate import Planned, RunEstimate
from gapmatch.running.run_progress import (
    JOBS_LISTED,
    LOGS_READ,
    PLAIN_SECONDS,
    TICK_SECONDS,
    TICKS_SHOWN,
    ProgressDisplay,
    RunProgress,
)
from gapmatch.running.terminal_line import TerminalLine


class Run:
    """A run whose jobs write logs into a folder, with a clock that the test turns."""

    def __init__(self, folder: Path, jobs: int = 10) -> None:
        self.folder, self.now = folder, 0.0
        self.logger = logging.Logger("snakemake")
        self.events = JobEvents(
            lambda _: None,
            lambda _: None,
            RunEstimate({"embed": Planned(jobs, 60)}),
            total=jobs,
            clock=lambda: self.now,
        )
        self.logger.addHandler(self.events)
        self.progress = RunProgress(self.events)

    def log(self, event: str, **fields: object) -> None:
        self.logger.info(event, extra={"event": event, **fields})

    def begin(self, job: int) -> None:
        log = str(self.folder / f"{job}.log")
        self.log("job_info", jobid=job, rule_name="embed", wildcards={"chunk": job}, log=[log])

    def write(self, job: int, done: int, left: int) -> None:
        line = f" 1%|#  | {done}/500 [00:10<00:{left:02d}, 5.00image/s]"
        (self.folder / f"{job}.log").write_text(line, encoding="utf-8")

    def finish(self, job: int, done: int) -> None:
        self.log("job_finished", job_id=job)
        self.log("progress", done=done, total=10)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


@pytest.fixture
def two(run: Run) -> Run:
    """One job has finished, after 20 s; two are under way, at 20 s."""
    for job in (1, 2, 3):
        run.begin(job)
        run.write(job, done=0, left=50)
    run.progress.look()
    run.now = 20
    run.finish(1, done=1)
    run.write(2, done=100, left=10)
    run.write(3, done=50, left=30)
    run.progress.look()
    return run


# Of 20 s each, 7 jobs are left, and 10 s and 30 s of two: 180 s, after 60 s in 20 s.
HEAD = "25%, 1/10 steps, about 1 min left"
JOB_2 = "embed 2: 100/500 images, 0:00:10 left, 5.00 images/s"
JOB_3 = "embed 3: 50/500 images, 0:00:30 left, 5.00 images/s"


def test_line_has_the_run_and_the_longest_job_first(two: Run) -> None:
    assert two.progress.line(200) == f"{HEAD} | {JOB_3} | {JOB_2}"


def test_line_of_a_terminal_of_usual_width_takes_turns(two: Run) -> None:
    shown = set()
    for _ in range(2 * TICKS_SHOWN):
        shown.add(two.progress.line(101))
        two.progress.look()
    assert shown == {f"{HEAD} | {JOB_3} | 1 more", f"{HEAD} | {JOB_2} | 1 more"}


def test_narrow_line_leaves_out_the_steps_and_is_cut(two: Run) -> None:
    assert two.progress.line(75) == f"25%, about 1 min left | {JOB_3}"[:75]
    assert two.progress.line(40) == f"25%, about 1 min left | {JOB_3}"[:40]


def test_plain_lines(two: Run) -> None:
    assert two.progress.plain().splitlines() == [
        "25% of the work, 1 of 10 steps, 2 under way, 0 failed, time 0:00:20, about 1 min left:",
        f"    {JOB_3}",
        f"    {JOB_2}",
    ]


def test_jobs_that_tell_nothing(run: Run) -> None:
    run.begin(1)
    run.begin(2)
    (run.folder / "2.log").touch()
    run.progress.look()
    assert run.progress.line(200) == "0/10 steps | embed 1: no message yet | embed 2: begins"


def test_no_estimate_after_a_failure(two: Run) -> None:
    two.log("job_error", jobid=2, log=[])
    assert two.progress.line(200) == f"1/10 steps | {JOB_3}"
    assert two.progress.plain().startswith("1 of 10 steps, 1 under way, 1 failed, time 0:00:20:\n")


def test_nothing_under_way(run: Run) -> None:
    assert run.progress.line(200) == run.progress.plain() == ""


def test_hundreds_of_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = 5 * LOGS_READ
    run = Run(tmp_path, jobs)
    for job in range(jobs):
        run.begin(job)
        run.write(job, done=1, left=job % 60)
    looked: list[str] = []
    monkeypatch.setattr(
        "gapmatch.running.job_events.Job.look", lambda job, _: looked.append(job.name)
    )
    for tick in range(1, 6):
        run.progress.look()
        assert len(looked) == tick * LOGS_READ
    assert len(set(looked)) == jobs
    lines = run.progress.plain().splitlines()
    assert len(lines) == 1 + JOBS_LISTED + 1
    assert lines[-1] == f"    and {jobs - JOBS_LISTED} more"


def test_display_in_a_file_says_lines_at_intervals(two: Run) -> None:
    said: list[str] = []
    display = ProgressDisplay(two.progress, None, said.append)
    for two.now in range(20, 100):
        display.tick()
    assert len(said) == 80 // PLAIN_SECONDS
    assert all("embed 3: 50/500 images" in text for text in said)
    assert "0:00:05 left" in said[0]  # 25 s later


def test_display_in_a_file_is_silent_where_nothing_is_under_way(run: Run) -> None:
    said: list[str] = []
    display = ProgressDisplay(run.progress, None, said.append)
    run.now = 2 * PLAIN_SECONDS
    display.tick()
    assert said == []


def test_display_on_a_terminal_reads_logs_at_every_tick(two: Run) -> None:
    two.finish(2, done=2)
    stream = io.StringIO()
    display = ProgressDisplay(two.progress, TerminalLine(stream), lambda _: pytest.fail())
    display.tick()
    assert "50/500" in stream.getvalue()
    two.write(3, done=160, left=28)
    display.tick()  # after a message, not after an interval
    assert "160/500" not in stream.getvalue()
    two.now += TICK_SECONDS
    display.tick()
    assert "160/500" in stream.getvalue()


def test_display_follows_messages_in_its_thread(two: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapmatch.running.run_progress.SETTLE_SECONDS", 0.001)
    stream = io.StringIO()
    display = ProgressDisplay(two.progress, TerminalLine(stream), lambda _: pytest.fail())
    thread = display.start()
    two.log("job_error", jobid=3, log=[])
    two.log("job_error", jobid=2, log=[])
    display.end()
    thread.join(timeout=5)
    assert not thread.is_alive()
    assert two.progress.line(200) == ""


def test_display_whose_stream_is_gone_ends(two: Run) -> None:
    stream = io.StringIO()
    stream.close()
    display = ProgressDisplay(two.progress, TerminalLine(stream), lambda _: pytest.fail())
    thread = display.start()
    thread.join(timeout=5)
    assert not thread.is_alive()
    display.end()
