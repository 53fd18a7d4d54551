"""Outputs are whole or not there, and killed writers leave nothing that stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gapmatch.running.atomic import atomic_directory, atomic_path

SCRIPTS = Path(__file__).parents[3] / "workflow_scripts"
KILLED = """
import os, signal, sys
from pathlib import Path
from gapmatch.running.atomic import atomic_directory, atomic_path
with atomic_path(Path(sys.argv[1])) as file, atomic_directory(Path(sys.argv[2])) as folder:
    file.write_text("half")
    (folder / "part").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    file, folder = tmp_path / "table.csv", tmp_path / "chunk"
    others = {".7.other.csv", ".notes.table.csv", "7.table.csv"}
    for name in others:
        (tmp_path / name).touch()
    for _ in range(2):
        command = [sys.executable, "-c", KILLED, file, folder]
        done = subprocess.run(command, cwd=SCRIPTS, check=False)
        assert done.returncode == -signal.SIGKILL
        left = names(tmp_path) - others
        assert len(left) == 2
        assert all(name.startswith(".") for name in left)
    with atomic_path(file) as temporary:
        temporary.write_text("whole")
    with atomic_directory(folder) as temporary:
        (temporary / "part").write_text("whole")
    assert names(tmp_path) == others | {"table.csv", "chunk"}
    assert file.read_text() == (folder / "part").read_text() == "whole"


@pytest.mark.parametrize("write", [atomic_path, atomic_directory])
def test_failed_writer_leaves_what_was_there(tmp_path: Path, write: Any) -> None:
    target = tmp_path / "target"
    with write(target) as temporary:
        (temporary if write is atomic_path else temporary / "a").write_text("old")
    with pytest.raises(ValueError, match="no"), write(target) as temporary:
        raise ValueError("no")
    assert names(tmp_path) == {"target"}
    assert (target if write is atomic_path else target / "a").read_text() == "old"


def test_temporary_name_keeps_the_suffix(tmp_path: Path) -> None:
    with atomic_path(tmp_path / "table.csv") as temporary:
        assert temporary.name == f".{os.getpid()}.table.csv"
        temporary.touch()
