"""A child ends with the process that started it, however that one ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from programs import living

PARENT = """
import subprocess, sys
from gapmatch.running.process_lifetime import ending_with_this_process
child = subprocess.Popen(["sleep", "1000"], preexec_fn=ending_with_this_process())
print(child.pid, flush=True)
sys.stdin.read()
"""


def running() -> list[int]:
    """Return the processes of the group that this one is in; the ended are not among them."""
    return living(os.getpgrp())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_child_ends_with_its_parent(number: signal.Signals) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=dict(os.environ, PYTHONPATH=str(Path(__file__).parents[3] / "workflow_scripts")),
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert child in running()
        parent.send_signal(number)
        parent.wait()
        end = time.monotonic() + 60
        while child in running():
            assert time.monotonic() < end, "the child lives on"
            time.sleep(0.01)
