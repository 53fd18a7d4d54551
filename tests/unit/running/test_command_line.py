"""How programs end: all that was said is out, and the status tells how it went."""

import os
import shlex
import subprocess
import sys

import pytest
from programs import ROOT, program

PROCESS = """
import atexit, gc, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from gapmatch.running import command_line

command_line.IS_PROGRAM = True
atexit.register(print, "at exit")
sys.stdout.reconfigure(line_buffering=False)

def main():
    assert gc.isenabled()
    print("main")
    threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
    ThreadPoolExecutor(1).submit(time.sleep, 0)  # its threads wait for work until they are told
    {ending}

command_line.fill_process(main)
"""
CLOSED = """
from gapmatch.running import command_line

command_line.IS_PROGRAM = True
command_line.run(lambda: None)
"""


@pytest.mark.parametrize(
    ("ending", "status", "error"),
    [
        ("return", 0, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit(3)", 3, ""),
        ("sys.exit('refused')", 1, "refused"),
        ("raise ValueError('a mistake')", 1, "ValueError: a mistake"),
    ],
)
def test_a_process_ends_as_its_main_does(ending: str, status: int, error: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS.format(ending=ending)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")},
    )
    assert done.returncode == status, done.stderr
    assert done.stdout.split("\n") == ["main", "thread", "at exit", ""]
    assert (done.stderr.splitlines() or [""])[-1] == error


@pytest.mark.parametrize(
    ("arguments", "status", "last"),
    [
        (["--help"], 0, None),
        (["--no-such-option"], 2, "error: unknown: --no-such-option; see --help"),
        ([], 2, "error: the option --training-set is missing; see --help"),
        (["--training-set"], 2, "error: Parameter --training-set requires an argument; see --help"),
    ],
)
def test_nothing_follows_the_last_word_of_a_program(
    arguments: list[str], status: int, last: str | None
) -> None:
    """Libraries that open_clip loads complain when a process ends in any but the usual way."""
    done = subprocess.run(
        program("evaluate_zero_shot", *arguments), capture_output=True, text=True, check=False
    )
    assert done.returncode == status
    if last:
        assert last in done.stderr.splitlines()[-1]
    else:
        assert len(done.stderr.splitlines()) <= 1, "a line that it begins, and no more"
        assert "Output (.json)" in done.stdout.splitlines()[-2]


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_stream_is_no_error(closed: int) -> None:
    # Subcommands of a shell alone are started without one of their streams.
    command = shlex.join([sys.executable, "-c", CLOSED])
    done = subprocess.run(
        ["bash", "-c", f"{command} {closed}>&-"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow_scripts")},
    )
    assert done.returncode == 0, done.stderr
