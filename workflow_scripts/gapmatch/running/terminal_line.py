"""A line at the bottom of a terminal that is rewritten in place, below all other messages."""

import logging
import os
import threading
from contextlib import suppress
from typing import Any, TextIO

ERASE = "\r\x1b[K"
USUAL_WIDTH = 80
"""Columns, where a terminal does not tell how many it has."""


class TerminalLine:
    """The stream of a terminal, with a line that goes out of the way of what is written.

    Whoever writes to the stream gets the line erased first. It is drawn only where a line begins,
    so that nothing is torn that is written in pieces.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, threading.RLock()
        self._drawn, self._line_begins, self._closed = False, True, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def width(self) -> int:
        """Characters that fit on the line."""
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns
        except (OSError, ValueError):
            columns = 0
        # In its last column a terminal may break the line.
        return (columns or USUAL_WIDTH) - 1

    def write(self, text: str) -> int:
        """Write a message, in place of the line."""
        with self._lock:
            self._erase()
            if text:
                self._line_begins = text.endswith("\n")
            return self._stream.write(text)

    def show(self, text: str) -> None:
        """Rewrite the line; an empty text takes it away."""
        with self._lock:
            self._erase()
            if text and self._line_begins and not self._closed:
                self._stream.write(text[: self.width])
                self._drawn = True
            self._stream.flush()

    def close_line(self) -> None:
        """Take the line away for good; the stream stays open."""
        with self._lock, suppress(OSError, ValueError):
            self._closed = True
            self.show("")

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(ERASE)
            self._drawn = False


def take_terminal(logger: logging.Logger) -> TerminalLine | None:
    """Let the messages that a logger writes to a terminal pass a line; None without a terminal."""
    if os.environ.get("TERM") == "dumb":  # it cannot erase
        return None
    for handler in logger.handlers:
        stream = getattr(handler, "stream", None)  # None where stderr is closed
        if isinstance(handler, logging.StreamHandler) and stream and stream.isatty():
            line = TerminalLine(stream)
            handler.setStream(line)
            return line
    return None
