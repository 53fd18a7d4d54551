"""A line that is rewritten in place, on a terminal that the test pretends to be."""

import io
import logging
import os

import pytest

from gapmatch.running.terminal_line import ERASE, USUAL_WIDTH, TerminalLine, take_terminal


class Terminal(io.StringIO):
    """A terminal that shows what is on its lines."""

    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        return [line.rpartition(ERASE)[2] for line in self.getvalue().split("\n")]


def test_line_is_rewritten_in_place() -> None:
    terminal = Terminal()
    line = TerminalLine(terminal)
    line.show("10 % done")
    line.show("9 %")
    assert terminal.getvalue() == f"10 % done{ERASE}9 %"


def test_messages_pass_the_line() -> None:
    terminal = Terminal()
    line = TerminalLine(terminal)
    line.show("10 %")
    line.write("a message\n")
    line.flush()
    assert terminal.lines() == ["a message", ""]
    line.show("20 %")
    assert terminal.lines() == ["a message", "20 %"]


def test_message_in_pieces_stays_whole() -> None:
    terminal = Terminal()
    line = TerminalLine(terminal)
    line.write("half a ")
    line.show("10 %")
    line.write("message\n")
    line.show("20 %")
    assert terminal.lines() == ["half a message", "20 %"]


def test_line_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    line = TerminalLine(terminal)
    line.show("x" * 200)
    assert len(terminal.getvalue()) == USUAL_WIDTH - 1
    monkeypatch.setattr(terminal, "fileno", lambda: 2)
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((20, 5)))
    line.show("y" * 200)
    assert terminal.lines() == ["y" * 19]
    monkeypatch.setattr(os, "get_terminal_size", lambda _: os.terminal_size((0, 0)))
    assert line.width == USUAL_WIDTH - 1


def test_nothing_to_show_takes_the_line_away() -> None:
    terminal = Terminal()
    line = TerminalLine(terminal)
    line.show("10 %")
    line.show("")
    line.show("")
    assert terminal.getvalue() == f"10 %{ERASE}"


def test_closed_line_stays_away() -> None:
    terminal = Terminal()
    line = TerminalLine(terminal)
    line.show("10 %")
    line.close_line()
    line.show("20 %")
    line.write("the end\n")
    assert terminal.lines() == ["the end", ""]


def test_stream_that_is_closed() -> None:
    terminal = Terminal()
    line = TerminalLine(terminal)
    line.show("10 %")
    terminal.close()
    line.close_line()
    assert line.width == USUAL_WIDTH - 1


def test_logger_that_writes_to_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    file, terminal = io.StringIO(), Terminal()
    logger = logging.Logger("snakemake")
    logger.addHandler(logging.StreamHandler(file))
    assert take_terminal(logger) is None
    logger.addHandler(logging.StreamHandler(terminal))
    line = take_terminal(logger)
    assert line is not None
    line.show("10 %")
    logger.info("a message")
    assert terminal.lines() == ["a message", ""]
    assert file.getvalue() == "a message\n"


def test_terminal_that_cannot_erase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    logger = logging.Logger("snakemake")
    logger.addHandler(logging.StreamHandler(Terminal()))
    assert take_terminal(logger) is None


def test_closed_stderr_is_no_terminal() -> None:
    logger = logging.Logger("snakemake")
    logger.addHandler(logging.StreamHandler())
    logger.handlers[0].stream = None  # type: ignore[attr-defined]  # as Python does where it is closed
    assert take_terminal(logger) is None
