"""Programs in forks of a process that has imported what they need: as if Python ran them."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fork_client import SOCKET
from fork_server import fork_python

SHOW = """\
import os, sys, tempfile
import torch
print(sys.argv, os.getcwd(), os.environ["TOLD"], torch.get_num_threads(), __name__)
print(tempfile.gettempdir())
print(sys.stdin.read(), file=sys.stderr)
sys.exit(7)
"""
# Starts a process of its own; both stay.
STAY = """\
import os, subprocess, time
print(os.getpid(), subprocess.Popen(["sleep", "600"]).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("python", ["python", "fork"])
def test_arguments_folder_environment_and_files(python: str, tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text(SHOW)
    done = subprocess.run(
        [sys.executable if python == "python" else fork_python(), "show.py", "one", "two"],
        cwd=tmp_path,
        env=os.environ | {"TOLD": "yes", "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)},
        input="asked",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7
    assert done.stdout == f"['show.py', 'one', 'two'] {tmp_path} yes 1 __main__\n{tmp_path}\n"
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
    """Return whether a process is there, and no zombie that its parent has not waited for."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(") ")[2]
    except OSError:
        return False
    return state[0] not in "ZX"


@pytest.mark.parametrize("victim", ["client", "process"])
def test_both_end_together(victim: str, tmp_path: Path) -> None:
    (tmp_path / "stay.py").write_text(STAY)
    with subprocess.Popen(
        [fork_python(), tmp_path / "stay.py"], stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdout
        pid, child = map(int, client.stdout.readline().split())
        os.kill(client.pid if victim == "client" else pid, signal.SIGKILL)
        assert client.wait() == -signal.SIGKILL
    end = time.monotonic() + 60
    while is_running(pid) or (victim == "client" and is_running(child)):
        assert time.monotonic() < end, "the process outlives its client"
        time.sleep(0.01)
    if victim == "process":
        os.kill(child, signal.SIGKILL)  # as after any kill of a parent, it goes on


@pytest.mark.parametrize("said", [b"", b"\0\0", b"\0\0\0\x09half"])
def test_client_that_is_killed_while_it_asks(said: bytes, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(fork_python().with_name(SOCKET)))
        client.sendall(said)
    (tmp_path / "next.py").write_text("print('served')\n")
    done = subprocess.run(
        [fork_python(), tmp_path / "next.py"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "served\n"


def test_many_clients_are_killed_while_their_processes_end(tmp_path: Path) -> None:
    """Whichever comes first, the server goes on."""
    (tmp_path / "end.py").write_text("print('ends', flush=True)\n")
    for moment in range(60):
        with subprocess.Popen([fork_python(), tmp_path / "end.py"], stdout=subprocess.PIPE) as one:
            assert one.stdout
            one.stdout.readline()
            time.sleep(moment / 10_000)
            one.kill()
    done = subprocess.run([fork_python(), tmp_path / "end.py"], capture_output=True, check=True)
    assert done.stdout == b"ends\n"
