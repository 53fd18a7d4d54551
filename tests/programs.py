"""Programs of the workflow as tests run them, and a small dataset for them."""

import atexit
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from fork_server import fork_python

from gapmatch.data.shards import read_samples, write_shard

ROOT = Path(__file__).parents[1]
MODEL = f"local-dir:{ROOT / 'resources' / 'models' / 'emoji-resnet'}"
CLASSES = 8
PATIENCE = 600  # seconds
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
"""Makes a newer processor behave like one that has AVX2 and no instructions for bfloat16."""


def program(name: str, *arguments: object) -> list[str]:
    """Return the command line of a program."""
    return [
        sys.executable,
        str(ROOT / "workflow_scripts" / f"{name}.py"),
        *map(str, arguments),
    ]


def run(arguments: list[str], status: int = 0) -> str:
    """Run a program, which must end with a status, and return what it says.

    What it imports is imported already (fork_server.py).
    """
    command = [str(fork_python()), *arguments[1:]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout + done.stderr


def run_here(name: str, *arguments: object) -> None:
    """Run a program in this process, where the heavy imports are done once; it must succeed."""
    _, path, *rest = program(name, *arguments)
    before = sys.argv
    sys.argv = [path, *rest]
    try:
        runpy.run_path(path, run_name="__main__")
    finally:
        sys.argv = before


def living(group: int) -> list[int]:
    """Return the processes of a group that run: those of which a thread has not ended.

    The first thread of a killed process may have ended ("Z") before its others, which still hold
    the open files and their locks.
    """
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just gone
            state, _, its_group = path.read_text(encoding="utf-8").rpartition(") ")[2].split()[:3]
            if int(its_group) != group:
                continue
            if state not in "ZX" or len([*(path.parent / "task").iterdir()]) > 1:
                found.append(int(path.parent.name))
    return found


def kill_when(
    reached: Callable[[], bool], arguments: list[str], folder: Path, *, alone: bool = False
) -> None:
    """Run a command in ``folder``; kill it and all its processes as soon as ``reached`` says so.

    With ``alone`` it alone is killed; the others are to end by themselves. It returns when all of
    them are gone: the last ones may still hold a lock for a moment.
    """
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + PATIENCE
    try:
        while not reached():
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < end, "it never came so far"
            time.sleep(0.01)
    finally:
        if process.poll() is None:
            (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
        process.wait()
    while living(process.pid):
        assert time.monotonic() < end, "its processes do not end"
        time.sleep(0.01)


@cache
def emoji_list() -> Path:
    """Return the list of emoji that render_emoji.py reads, made once per process of the tests."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    path = folder / "emoji.json"
    run(program("list_emoji", "--out", path))
    return path


def emoji_chunk(folder: Path, part: str, images: int, samples_per_shard: int) -> Path:
    """Make a labelled chunk of emoji with so many images of each of CLASSES classes."""
    run(
        program(
            "render_emoji",
            *("--emoji", emoji_list()),
            *("--part", part, "--seed", 0, "--size", 64, "--pool-classes", CLASSES),
            *("--test-classes", CLASSES, "--drawing-classes", 0),
            *("--variants", images, "--drawing-variants", 1),
            *("--out", folder / "images"),
        )
    )
    run(
        program(
            *("ingest", "imagefolder"),
            *("--root", folder / "images", "--dataset", part, "--chunk", "00000", "--chunks", 1),
            *("--caption", "a photo of a {class}", "--samples-per-shard", samples_per_shard),
            *("--out", folder / "chunk"),
        )
    )
    return folder / "chunk"


def spoil(tar: Path, number: int) -> str:
    """Cut the image of one sample of a shard short; return the sample's key."""
    samples = list(read_samples(tar))
    key, members = samples[number]
    (extension,) = members.keys() & {"png", "jpg", "webp"}
    members[extension] = members[extension][: len(members[extension]) // 2]
    write_shard(tar, samples)
    return key
