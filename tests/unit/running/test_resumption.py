"""Folders of unfinished work: kept for the same job, emptied for another, locked while in use."""

import errno
import fcntl
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gapmatch.running import resumption
from gapmatch.running.errors import InputError
from gapmatch.running.resumption import LOCK, claim_state, delete_state

HOLDER = """
import sys
from pathlib import Path
from gapmatch.running.resumption import claim_state
claim_state(Path(sys.argv[1]), "same")
print("claimed", flush=True)
sys.stdin.read()
"""


def claim_and_release(state: Path, identity: str) -> None:
    os.close(claim_state(state, identity))


def test_work_of_the_same_job_is_kept_and_of_another_removed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "a" / "state"
    claim_and_release(state, "same")
    (state / "shards").mkdir()
    (state / "shards" / "00000.tar").write_bytes(b"x")
    (state / "file").write_bytes(b"x")
    claim_and_release(state, "same")
    assert (state / "shards" / "00000.tar").exists()
    assert "deleted" not in caplog.text
    claim_and_release(state, "other")
    assert f"{state} is of other data or settings: it is deleted" in caplog.text
    assert {path.name for path in state.iterdir()} == {LOCK, "identity.json"}


def test_work_without_a_marker_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "left").write_bytes(b"x")
    claim_and_release(tmp_path, "same")
    assert not (tmp_path / "left").exists()


def test_a_file_system_without_locks_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(lock: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    claim_and_release(tmp_path, "same")
    (tmp_path / "file").write_bytes(b"x")
    claim_and_release(tmp_path, "same")
    assert (tmp_path / "file").exists()
    assert f"{tmp_path}: the file system has no locks (No locks available)" in caplog.text


def test_a_state_in_use_is_refused_until_its_process_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumption, "PATIENCE", 0.3)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=str(Path(__file__).parents[3] / "workflow_scripts")),
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"claimed\n"
        with pytest.raises(InputError, match=rf"is in use: .*fuser {tmp_path / LOCK}"):
            claim_state(tmp_path, "other")
        holder.kill()
    claim_and_release(tmp_path, "same")


@pytest.mark.parametrize("finished", [False, True])
def test_a_state_whose_processes_are_about_to_end_is_waited_for(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    finished: bool,
) -> None:
    state = tmp_path / "state"
    first = claim_state(state, "same")
    (state / "file").write_bytes(b"x")

    def end(_: float) -> None:
        if finished:  # it deletes its state, then ends
            delete_state(state)
        os.close(first)

    monkeypatch.setattr(time, "sleep", end)
    with caplog.at_level("INFO"):
        lock = claim_state(state, "same")
    assert f"{state} is in use: waiting up to 20 s" in caplog.text
    assert (state / "file").exists() is not finished
    monkeypatch.setattr(resumption, "PATIENCE", 0.0)
    with pytest.raises(
        InputError, match="is in use"
    ):  # the lock is that of the folder that is there
        claim_state(state, "same")
    os.close(lock)


def test_one_job_at_a_time_is_in_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each finishes and deletes it while others wait for it."""
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda _: sleep(0.0005))
    monkeypatch.setattr(resumption, "PATIENCE", 600.0)  # on a busy machine
    state = tmp_path / "state"
    inside: list[int] = []

    def work(job: int) -> None:
        for _ in range(25):
            lock = claim_state(state, f"job {job}")
            inside.append(job)
            for number in range(30):
                (state / f"{number}").write_text(str(job))
            assert {(state / f"{number}").read_text() for number in range(30)} == {str(job)}
            assert inside.pop() == job
            assert not inside
            delete_state(state)
            os.close(lock)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert not state.exists()


def test_a_file_in_the_place_of_a_state_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(FileExistsError):
        claim_state(tmp_path / "state", "same")
