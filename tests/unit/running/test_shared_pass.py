"""One job computes for others: each gets its own result, whichever comes first or is killed."""

import errno
import fcntl
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from gapmatch.running import shared_pass
from gapmatch.running.errors import InputError
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


def test_a_missing_input_is_named_and_what_another_job_wants_twice_is_one(requests, tmp_path):
    work, state = Computing(), tmp_path / "state"
    val, v2, sketch = requests
    v2.inputs[1].unlink()
    with pytest.raises(InputError, match=r"v2\.tests: not found"):
        share_pass(state, v2, requests, SETTINGS, work)
    share_pass(state, val, [sketch, sketch, v2], SETTINGS, work)
    assert work.passes == [["val", "sketch"]]
    assert fetched(state, sketch, SETTINGS)
    assert not state.exists()


def test_who_waits_for_one_that_is_killed_computes_itself(requests, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_pass, "INTERVAL", 0.01)
    work, state = Computing(), tmp_path / "state"
    lock = try_lock(state)
    assert lock is not None
    ended = os.fork() or os._exit(0)
    os.waitpid(ended, 0)
    (state / f"0123456789abcdef.{ended}.{socket.gethostname()}.unfinished").mkdir()
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
    monkeypatch.setattr("fcntl.flock", no_locks)
    work, state = Computing(), tmp_path / "state"
    state.mkdir()
    (state / "0123456789abcdef.1.node.unfinished").mkdir()  # of another job, which is at work
    for one in requests:
        share_pass(state, one, requests, SETTINGS, work)
        assert right(one)
    assert work.passes == [["val"], ["v2"], ["sketch"]]
    assert (state / "0123456789abcdef.1.node.unfinished").is_dir()


@pytest.mark.parametrize("locks", ["everywhere", "on one machine", "none"])
def test_processes_at_the_same_time(locks, tmp_path):
    """Lustre mounted with ``localflock`` has locks on one machine: here every process is one."""
    state = tmp_path / "state"
    data = write(tmp_path / "pool", "pool ", age=100)
    for number in range(10):
        wanted = [
            Request(
                str(name),
                (data, write(tmp_path / f"{name}.tests", str(name), age=100)),
                (tmp_path / f"{number}/{name}/margins", tmp_path / f"{number}/{name}/neighbours"),
            )
            for name in range(5)
        ]
        processes = [started(locks, state, one, wanted) for one in wanted]
        assert [os.waitpid(process, 0)[1] for process in processes] == [0] * len(wanted)
        assert all(right(one) for one in wanted)
        if locks == "everywhere":
            assert not state.exists()


def started(locks: str, state: Path, own: Request, wanted: list[Request]) -> int:
    """Fork a process that wants a result; return its id."""
    if process := os.fork():
        return process
    status = 1
    try:
        shared_pass.INTERVAL = 0.001
        if locks == "none":
            fcntl.flock = no_locks
        elif locks == "on one machine":
            fcntl.flock = lambda *_: None
            socket.gethostname = lambda: f"node{own.name}"
        share_pass(state, own, wanted, SETTINGS, Computing())
        status = 0
    finally:
        os._exit(status)


def no_locks(*_) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


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
