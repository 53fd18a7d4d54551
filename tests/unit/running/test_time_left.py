"""The epochs and the time left in the log of a training."""

import logging
from collections.abc import Iterator

import pytest

from gapmatch.running.time_left import TimeLeft


def line(epoch: int, samples: int, total: int = 200) -> str:
    percent = 100 * samples / total
    return f"Train Epoch: {epoch} [{samples:>6}/{total} ({percent:.0f}%)] Data (t): 0.1 100/s"


@pytest.fixture
def clock() -> Iterator[int]:
    return iter(range(100, 10_000, 60))


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ([line(0, 20)], None),  # no speed yet
        ([line(0, 20), line(0, 40)], "0:18:00"),  # a tenth of an epoch in a minute: 1.8 of 2 left
        ([line(0, 20), line(1, 20), line(1, 200)], "0:00:00"),
        ([line(1, 100), line(1, 150)], "0:01:00"),  # continued in the second epoch
        (["Start epoch 1"], None),
    ],
)
def test_time_left(lines: list[str], left: str | None, clock: Iterator[int]) -> None:
    tell = TimeLeft(2, clock=lambda: float(next(clock)))
    records = [logging.LogRecord("root", logging.INFO, "", 0, text, (), None) for text in lines]
    assert all(tell.filter(record) for record in records)
    expected = f"{lines[-1]} Epochs: 2" if lines[-1].startswith("Train Epoch") else lines[-1]
    expected += "" if left is None else f" Time left: {left}"
    assert records[-1].getMessage() == expected
