"""What counts as a full disk, and what does not."""

import errno
import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gapmatch.running import disk_space
from gapmatch.running.atomic import atomic_path
from gapmatch.running.disk_space import find_no_space, is_full, telling_no_space
from gapmatch.running.errors import InputError, NoSpaceError

FULL_DEVICE = Path("/dev/full")  # takes nothing, as a full disk

needs_full_device = pytest.mark.skipif(
    not FULL_DEVICE.exists(), reason=f"{FULL_DEVICE} does not exist on this system"
)


@needs_full_device
def test_errors_of_writers_are_recognised() -> None:
    with pytest.raises(OSError, match="No space") as python:
        FULL_DEVICE.write_text("a")
    with pytest.raises(Exception, match="No space") as parquet:
        pl.DataFrame({"a": range(9)}).write_parquet(FULL_DEVICE)
    assert find_no_space(python.value) is python.value
    assert find_no_space(parquet.value) is parquet.value


def test_cause_is_found_and_quotas_count() -> None:
    cause = OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))
    try:
        raise RuntimeError("unexpected pos 704 vs 598") from cause
    except RuntimeError as error:
        assert find_no_space(error) is cause
    assert find_no_space(PermissionError(errno.EACCES, os.strerror(errno.EACCES))) is None


@needs_full_device
@pytest.mark.parametrize("full", [True, False])
def test_error_without_a_reason_asks_the_device(
    full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_space, "is_full", lambda folder: full)
    path = tmp_path / "a.npy"
    message = f"{path} could not be written" if full else "requested and 0 written"
    kind = NoSpaceError if full else OSError
    with pytest.raises(kind, match=message), telling_no_space(path):
        np.zeros(1 << 20).tofile(FULL_DEVICE)


def test_device_with_space_is_not_full(tmp_path: Path) -> None:
    assert not is_full(tmp_path)
    assert not is_full(tmp_path / "missing")
    assert not list(tmp_path.iterdir())


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    for error in (InputError("a link is dead"), ValueError("a bug"), OSError(errno.EIO, "broken")):
        with pytest.raises(type(error)) as found, atomic_path(tmp_path / "a.txt"):
            raise error
        assert found.value is error
