"""Programs in forks of a process that has imported what they need: as if Python ran them."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fork_server import fork_python

SHOW = """\
import os, sys
import torch
print(sys.argv, os.getcwd(), os.environ["TOLD"], torch.get_num_threads(), __name__)
print(sys.stdin.read(), file=sys.stderr)
sys.exit(7)
"""
STAY = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"


@pytest.mark.parametrize("python", ["python", "fork"])
def test_arguments_folder_environment_and_files(python: str, tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text(SHOW)
    done = subprocess.run(
        [sys.executable if python == "python" else fork_python(), "show.py", "one", "two"],
        cwd=tmp_path,
        env=os.environ | {"TOLD": "yes", "OMP_NUM_THREADS": "1"},
        input="asked",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7
    assert done.stdout == f"['show.py', 'one', 'two'] {tmp_path} yes 1 __main__\n"
    assert done.stderr == "asked\n"


def test_error_is_told(tmp_path: Path) -> None:
    (tmp_path / "fail.py").write_text("raise ValueError('no')\n")
    done = subprocess.run(
        [fork_python(), tmp_path / "fail.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: no\n")


def test_what_is_no_program_runs_in_python_itself() -> None:
    command = [fork_python(), "-c", "import sys; print(sys.executable)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == (
        sys.executable
    )


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("victim", ["client", "process"])
def test_both_end_together(victim: str, tmp_path: Path) -> None:
    (tmp_path / "stay.py").write_text(STAY)
    with subprocess.Popen(
        [fork_python(), tmp_path / "stay.py"], stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout
        pid = int(client.stdout.readline())
        os.kill(client.pid if victim == "client" else pid, signal.SIGKILL)
        assert client.wait() == -signal.SIGKILL
    end = time.monotonic() + 60
    while is_running(pid):
        assert time.monotonic() < end, "the process outlives its client"
        time.sleep(0.01)
