"""One job answers for others: each gets its own answer, whichever comes first or is killed."""

import errno
import os
import socket
import threading
import time
from pathlib import Path

import pytest

from gapmatch.running import shared_pass
from gapmatch.running.resumption import try_lock
from gapmatch.running.shared_pass import Question, answer, fetched

SETTINGS = "ranks [1]"


def write(path: Path, text: str, age: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    then = time.time() - age
    os.utime(path, (then, then))
    return path


class Answering:
    """Answers questions by copying their inputs, and remembers which."""

    def __init__(self) -> None:
        self.passes: list[list[str]] = []

    def __call__(self, questions) -> None:
        self.passes.append([one.name for one, _ in questions])
        for one, outputs in questions:
            text = "".join(path.read_text(encoding="utf-8") for path in one.inputs)
            for path in outputs:
                assert path.parent.is_dir()
                path.write_text(f"{path.name} {text}", encoding="utf-8")


@pytest.fixture
def questions(tmp_path: Path) -> list[Question]:
    data = write(tmp_path / "pool", "pool ", age=100)
    return [
        Question(
            name,
            (data, write(tmp_path / f"{name}.tests", name, age=100)),
            (tmp_path / name / "margins", tmp_path / name / "neighbours"),
        )
        for name in ("val", "v2", "sketch")
    ]


def right(question: Question) -> bool:
    expected = "".join(path.read_text(encoding="utf-8") for path in question.inputs)
    return all(
        path.read_text(encoding="utf-8") == f"{path.name} {expected}" for path in question.outputs
    )


def test_the_first_answers_all_and_the_others_fetch_theirs(questions, tmp_path):
    work, state = Answering(), tmp_path / "state"
    for one in questions:
        answer(state, one, questions, SETTINGS, work)
        assert right(one)
        assert not one.due()
    assert work.passes == [["val", "v2", "sketch"]]
    assert not state.exists()


def test_only_what_is_due_is_answered_for_others(questions, tmp_path):
    work, state = Answering(), tmp_path / "state"
    val, v2, sketch = questions
    for path in val.outputs:
        write(path, "newer than its inputs")
    sketch.inputs[1].unlink()
    answer(state, v2, questions, SETTINGS, work)
    assert work.passes == [["v2"]]
    assert not state.exists()
    # An output older than an input is due, one that is missing is too.
    write(val.inputs[1], "other")
    for path in val.outputs:
        write(path, "older", age=50)
    write(sketch.inputs[1], "sketch")
    answer(state, sketch, questions, SETTINGS, work)
    assert work.passes[1:] == [["sketch", "val"]]
    assert fetched(state, val, SETTINGS)
    assert right(val)
    assert not state.exists()


@pytest.mark.parametrize("change", ["input", "settings"])
def test_an_answer_to_another_question_is_not_fetched(change, questions, tmp_path):
    work, state = Answering(), tmp_path / "state"
    val, v2, _ = questions
    answer(state, val, questions, SETTINGS, work)
    settings = SETTINGS
    if change == "input":
        write(v2.inputs[1], "changed")
    else:
        settings = "ranks [1, 5]"
    assert not fetched(state, v2, settings)
    answer(state, v2, [v2], settings, work)
    assert right(v2)
    assert work.passes[1:] == [["v2"]]
    # What nobody asks for any more has gone, so nothing is left.
    assert not state.exists()


def test_a_failed_pass_leaves_nothing_that_counts(questions, tmp_path):
    work, state = Answering(), tmp_path / "state"

    def failing(asked) -> None:
        work(asked)
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        answer(state, questions[0], questions, SETTINGS, failing)
    assert not any(path.exists() for one in questions for path in one.outputs)
    for one in questions:
        assert not fetched(state, one, SETTINGS)
    answer(state, questions[1], questions, SETTINGS, work)
    assert work.passes[1:] == [["v2", "val", "sketch"]]
    for one in questions:
        assert fetched(state, one, SETTINGS) or one is questions[1]
        assert right(one)
    assert not state.exists()


def test_who_comes_meanwhile_waits_and_fetches(questions, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(shared_pass, "INTERVAL", 0.01)
    caplog.set_level("INFO")
    work, state = Answering(), tmp_path / "state"
    begun, go_on = threading.Event(), threading.Event()

    def slow(asked) -> None:
        begun.set()
        assert go_on.wait(60)
        work(asked)

    val, v2, sketch = questions
    first = threading.Thread(target=answer, args=(state, val, questions, SETTINGS, slow))
    first.start()
    assert begun.wait(60)
    second = threading.Thread(target=answer, args=(state, v2, questions, SETTINGS, work))
    second.start()
    while "waiting for it" not in caplog.text:
        time.sleep(0.01)
    go_on.set()
    first.join(60)
    second.join(60)
    assert work.passes == [["val", "v2", "sketch"]]
    assert right(val)
    assert right(v2)
    assert fetched(state, sketch, SETTINGS)
    assert not state.exists()


def test_who_waits_for_one_that_is_killed_answers_itself(questions, tmp_path, monkeypatch):
    monkeypatch.setattr(shared_pass, "INTERVAL", 0.01)
    work, state = Answering(), tmp_path / "state"
    lock = try_lock(state)
    assert lock is not None
    (state / f"0123456789abcdef.1.{socket.gethostname()}.part").mkdir()  # half done
    waiting = threading.Thread(
        target=answer, args=(state, questions[2], questions[2:], SETTINGS, work)
    )
    waiting.start()
    time.sleep(0.1)
    assert not work.passes
    os.close(lock)  # as the system does when a process ends
    waiting.join(60)
    assert right(questions[2])
    assert not state.exists()


def test_without_locks_each_answers_for_itself(questions, tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    work, state = Answering(), tmp_path / "state"
    state.mkdir()
    (state / "0123456789abcdef.1.node.part").mkdir()  # of another job, which is at work
    for one in questions:
        answer(state, one, questions, SETTINGS, work)
        assert right(one)
    assert work.passes == [["val"], ["v2"], ["sketch"]]
    assert (state / "0123456789abcdef.1.node.part").is_dir()


def test_locks_that_hold_on_one_machine_only(questions, tmp_path, monkeypatch):
    """Lustre mounted with ``localflock``: two jobs have the lock at a time."""
    work, state = Answering(), tmp_path / "state"
    val, v2, sketch = questions

    def elsewhere(asked) -> None:
        (state / "0123456789abcdef.1.node.part").mkdir()  # of a third machine, which is at work
        with monkeypatch.context() as patch:
            patch.setattr(socket, "gethostname", lambda: "elsewhere")
            patch.setattr("fcntl.flock", lambda *_: None)
            answer(state, v2, questions, SETTINGS, work)
        work(asked)

    answer(state, val, questions, SETTINGS, elsewhere)
    assert work.passes == [["v2", "val", "sketch"], ["val", "v2", "sketch"]]
    for one in (val, v2):
        assert right(one)
    assert fetched(state, sketch, SETTINGS)
    assert right(sketch)
    assert (state / "0123456789abcdef.1.node.part").is_dir()
