"""One job computes for others: each gets its own result, whichever comes first or is killed."""

import errno
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from gapmatch.running import shared_pass
from gapmatch.running.resumption import try_lock
from gapmatch.running.shared_pass import Request, fetched, share_pass

SETTINGS = "ranks [1]"


def write(path: Path, text: str, age: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    then = time.time() - age
    os.utime(path, (then, then))
    return path


class Computing:
    """Computes results by copying inputs, and remembers which."""

    def __init__(self) -> None:
        self.passes: list[list[str]] = []

    def __call__(self, requests) -> None:
        self.passes.append([one.name for one, _ in requests])
        for one, outputs in requests:
            text = "".join(path.read_text(encoding="utf-8") for path in one.inputs)
            for path in outputs:
                assert path.parent.is_dir()
                path.write_text(f"{path.name} {text}", encoding="utf-8")


@pytest.fixture
def requests(tmp_path: Path) -> list[Request]:
    data = write(tmp_path / "pool", "pool ", age=100)
    return [
        Request(
            name,
            (data, write(tmp_path / f"{name}.tests", name, age=100)),
            (tmp_path / name / "margins", tmp_path / name / "neighbours"),
        )
        for name in ("val", "v2", "sketch")
    ]


def right(request: Request) -> bool:
    expected = "".join(path.read_text(encoding="utf-8") for path in request.inputs)
    return all(
        path.read_text(encoding="utf-8") == f"{path.name} {expected}" for path in request.outputs
    )


def test_the_first_computes_all_and_the_others_fetch_theirs(requests, tmp_path):
    work, state = Computing(), tmp_path / "state"
    for one in requests:
        share_pass(state, one, requests, SETTINGS, work)
        assert right(one)
        assert not one.due()
    assert work.passes == [["val", "v2", "sketch"]]
    assert not state.exists()


def test_only_what_is_due_is_computed_for_others(requests, tmp_path):
    work, state = Computing(), tmp_path / "state"
    val, v2, sketch = requests
    for path in val.outputs:
        write(path, "newer than its inputs")
    sketch.inputs[1].unlink()
    share_pass(state, v2, requests, SETTINGS, work)
    assert work.passes == [["v2"]]
    assert not state.exists()
    # An output older than an input is due, one that is missing is too.
    write(val.inputs[1], "other")
    for path in val.outputs:
        write(path, "older", age=50)
    write(sketch.inputs[1], "sketch")
    share_pass(state, sketch, requests, SETTINGS, work)
    assert work.passes[1:] == [["sketch", "val"]]
    assert fetched(state, val, SETTINGS)
    assert right(val)
    assert not state.exists()


@pytest.mark.parametrize("change", ["input", "settings"])
def test_a_result_of_other_inputs_or_settings_is_not_fetched(change, requests, tmp_path):
    work, state = Computing(), tmp_path / "state"
    val, v2, _ = requests
    share_pass(state, val, requests, SETTINGS, work)
    settings = SETTINGS
    if change == "input":
        write(v2.inputs[1], "changed")
    else:
        settings = "ranks [1, 5]"
    assert not fetched(state, v2, settings)
    share_pass(state, v2, [v2], settings, work)
    assert right(v2)
    assert work.passes[1:] == [["v2"]]
    # What nobody asks for any more has gone, so nothing is left.
    assert not state.exists()


def test_a_failed_pass_leaves_nothing_that_counts(requests, tmp_path):
    work, state = Computing(), tmp_path / "state"

    def failing(asked) -> None:
        work(asked)
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        share_pass(state, requests[0], requests, SETTINGS, failing)
    assert not any(path.exists() for one in requests for path in one.outputs)
    for one in requests:
        assert not fetched(state, one, SETTINGS)
    share_pass(state, requests[1], requests, SETTINGS, work)
    assert work.passes[1:] == [["v2", "val", "sketch"]]
    for one in requests:
        assert fetched(state, one, SETTINGS) or one is requests[1]
        assert right(one)
    assert not state.exists()


def test_who_comes_meanwhile_waits_and_fetches(requests, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(shared_pass, "INTERVAL", 0.01)
    caplog.set_level("INFO")
    work, state = Computing(), tmp_path / "state"
    begun, go_on = threading.Event(), threading.Event()

    def slow(asked) -> None:
        begun.set()
        assert go_on.wait(60)
        work(asked)

    val, v2, sketch = requests
    first = threading.Thread(target=share_pass, args=(state, val, requests, SETTINGS, slow))
    first.start()
    assert begun.wait(60)
    second = threading.Thread(target=share_pass, args=(state, v2, requests, SETTINGS, work))
    second.start()
    while "waiting: another job" not in caplog.text:
        time.sleep(0.01)
    go_on.set()
    first.join(60)
    second.join(60)
    assert work.passes == [["val", "v2", "sketch"]]
    assert right(val)
    assert right(v2)
    assert fetched(state, sketch, SETTINGS)
    assert not state.exists()


def test_who_waits_for_one_that_is_killed_computes_itself(requests, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_pass, "INTERVAL", 0.01)
    work, state = Computing(), tmp_path / "state"
    lock = try_lock(state)
    assert lock is not None
    (state / f"0123456789abcdef.1.{socket.gethostname()}.part").mkdir()  # half done
    waiting = threading.Thread(
        target=share_pass, args=(state, requests[2], requests[2:], SETTINGS, work)
    )
    waiting.start()
    time.sleep(0.1)
    assert not work.passes
    os.close(lock)  # as the system does when a process ends
    waiting.join(60)
    assert right(requests[2])
    assert not state.exists()


def test_without_locks_each_computes_for_itself(requests, tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    work, state = Computing(), tmp_path / "state"
    state.mkdir()
    (state / "0123456789abcdef.1.node.part").mkdir()  # of another job, which is at work
    for one in requests:
        share_pass(state, one, requests, SETTINGS, work)
        assert right(one)
    assert work.passes == [["val"], ["v2"], ["sketch"]]
    assert (state / "0123456789abcdef.1.node.part").is_dir()


def test_locks_that_hold_on_one_machine_only(requests, tmp_path, monkeypatch):
    """Lustre mounted with ``localflock``: two jobs have the lock at a time."""
    work, state = Computing(), tmp_path / "state"
    val, v2, sketch = requests

    def elsewhere(asked) -> None:
        (state / "0123456789abcdef.1.node.part").mkdir()  # of a third machine, which is at work
        with monkeypatch.context() as patch:
            patch.setattr(socket, "gethostname", lambda: "elsewhere")
            patch.setattr("fcntl.flock", lambda *_: None)
            share_pass(state, v2, requests, SETTINGS, work)
        work(asked)

    share_pass(state, val, requests, SETTINGS, elsewhere)
    assert work.passes == [["v2", "val", "sketch"], ["val", "v2", "sketch"]]
    for one in (val, v2):
        assert right(one)
    assert fetched(state, sketch, SETTINGS)
    assert right(sketch)
    assert (state / "0123456789abcdef.1.node.part").is_dir()


def test_who_was_killed_while_it_fetched_computes_again(requests, tmp_path):
    work, state = Computing(), tmp_path / "state"
    val, v2, _ = requests
    share_pass(state, val, requests[:2], SETTINGS, work)
    (waiting,) = (path for path in state.iterdir() if path.is_dir())
    v2.outputs[0].parent.mkdir()
    (waiting / "margins").replace(v2.outputs[0])
    share_pass(state, v2, requests[:2], SETTINGS, work)
    assert right(v2)
    assert work.passes == [["val", "v2"], ["v2"]]
    assert not state.exists()


def test_results_may_lie_on_another_file_system(requests, tmp_path, monkeypatch):
    replace = Path.replace

    def across(path, target):
        if path.parent.parent == tmp_path / "state" and target.parent.parent != tmp_path / "state":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(path, target)

    work, state = Computing(), tmp_path / "state"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", across)
        for one in requests:
            share_pass(state, one, requests, SETTINGS, work)
            assert right(one)
    assert work.passes == [["val", "v2", "sketch"]]
    assert not state.exists()
