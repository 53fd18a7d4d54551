"""A worker that comes no further is told of; one that waits for the training is not."""

import subprocess
import sys
from pathlib import Path

import pytest
from programs import ROOT

from gapmatch.train.stalled_workers import Watch

TAR = Path("/data/00000.tar")


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def watch(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Watch:
    made = Watch(tmp_path / "ended.txt", 60, clock)
    monkeypatch.setattr(made, "_look", lambda: None)  # the test asks itself
    return made


def test_reading_without_progress_is_told(watch: Watch, clock: Clock) -> None:
    watch.reads(TAR)
    clock.now = 59
    assert not watch.told()
    clock.now = 61
    assert watch.told()
    told = watch.report.read_text(encoding="utf-8")
    assert told.startswith(f"reading {TAR} got no further for 61 seconds: its file system")


def test_progress_and_waiting_are_no_stall(watch: Watch, clock: Clock) -> None:
    watch.reads(TAR)
    clock.now = 50
    watch.progresses()  # a long shard of which little is kept
    clock.now = 100
    assert not watch.told()
    watch.waits()  # nobody takes a sample for an hour
    clock.now = 4000
    assert not watch.told()
    watch.reads(TAR)
    assert not watch.told()
    assert not watch.report.exists()


def test_a_process_ends_when_it_is_told(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; "
        "from gapmatch.train import stalled_workers as s; "
        "s.LOOK_SECONDS = 0.01; s.end_when_told(Path(sys.argv[1]), 7); time.sleep(600)"
    )
    (tmp_path / "ended.txt").touch()
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "ended.txt"],
        env={"PYTHONPATH": str(ROOT / "workflow_scripts")},
        check=False,
    )
    assert done.returncode == 7
