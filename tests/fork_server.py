"""A Python that has imported what takes programs seconds, and forks for each of them.

The tests' studies start hundreds of programs, and imports took most of those programs' time. With
``fork_python()`` in place of Python, they and Snakemake run as they are, in a fork of this process.
Tests of SLURM, of conda, of the terminal and of single programs that are killed start Python as
users do. Those of SLURM also compare their results with those of a study that ran in forks.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Never

from fork_client import CLIENT, ITSELF, SOCKET

# What programs import, and Snakemake. Nothing of this project: a checkout imports its own.
PRELOADED = (
    *("faiss", "matplotlib.figure", "open_clip", "open_clip_train.main", "polars", "scipy.stats"),
    *("snakemake.cli", "timm", "torch", "torchvision", "webdataset"),
)
READY = b"ready\n"


@functools.cache
def fork_python() -> Path:
    """Start a server, once per process of the tests; return what to run instead of Python."""
    folder = Path(tempfile.mkdtemp(prefix="fork"))
    shutil.copy(Path(__file__).with_name(CLIENT), folder)
    client = folder / ITSELF
    ask = f'exec "{sys.executable}" -IS "{folder / CLIENT}" "$@"'
    client.write_text(f"#!/bin/sh\n{ask}\n", encoding="utf-8")
    client.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, __file__, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )

    def end() -> None:
        server.communicate()  # its input ends, and so does it
        shutil.rmtree(folder)

    atexit.register(end)
    assert server.stdout
    assert server.stdout.readline() == READY
    return client


class Request(NamedTuple):
    """A command to run: Python's arguments, where, with which environment and standard files."""

    arguments: list[str]
    folder: str
    environment: dict[str, str]
    files: list[int]


def receive(client: socket.socket) -> Request | None:
    """Read what a client asks for; None if it was killed before it had said so."""
    files: list[int] = []
    with suppress(ConnectionError):
        header, files, _, _ = socket.recv_fds(client, 4, 3)
        if len(header) == 4:
            (length,) = struct.unpack("!I", header)
            text = client.recv(length, socket.MSG_WAITALL)
            if len(text) == length:
                return Request(**json.loads(text), files=files)
    for file in files:
        os.close(file)
    client.close()
    return None


class Server:
    """Waits for requests and for the ends of the processes that it forked."""

    def __init__(self, address: Path) -> None:
        self.selector = selectors.DefaultSelector()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(address))
        self.socket.listen(64)
        self.clients: dict[int, socket.socket] = {}

    def serve(self) -> Request | None:
        """Return a request in each process that was forked for one; None when the input ends."""
        self.selector.register(self.socket, selectors.EVENT_READ, self.accept)
        self.selector.register(sys.stdin, selectors.EVENT_READ, lambda: (True, None))
        while True:
            for key, _ in self.selector.select():
                ended, request = key.data()
                if ended:
                    return request  # type: ignore[no-any-return]

    def accept(self) -> tuple[bool, Request | None]:
        """Fork for a new client."""
        client, _ = self.socket.accept()
        request = receive(client)
        if request is None:
            return False, None
        pid = os.fork()
        if not pid:
            for other in (client, self.socket, *self.clients.values()):
                other.close()
            self.selector.close()
            return True, request
        os.setpgid(pid, pid)  # it and what it starts are killed together
        for file in request.files:
            os.close(file)
        self.clients[pid] = client
        process = os.pidfd_open(pid)
        self.selector.register(process, selectors.EVENT_READ, lambda: self.end(pid, process))
        self.selector.register(client, selectors.EVENT_READ, lambda: self.lose(pid, client))
        return False, None

    def end(self, pid: int, process: int) -> tuple[bool, None]:
        """Tell a client how its process ended."""
        _, status = os.waitpid(pid, 0)
        self.selector.unregister(process)
        os.close(process)
        with self.clients.pop(pid) as client:
            if client in self.selector.get_map():
                self.selector.unregister(client)
                with suppress(ConnectionError):  # it has just been killed
                    client.sendall(struct.pack("!i", status))
        return False, None

    def lose(self, pid: int, client: socket.socket) -> tuple[bool, None]:
        """End the process of a client that was killed, and all that it started."""
        if pid in self.clients:  # it may have ended at the same moment
            self.selector.unregister(client)
            os.killpg(pid, signal.SIGKILL)
        return False, None

    def kill_all(self) -> None:
        """Leave no process behind."""
        for pid in self.clients:
            os.killpg(pid, signal.SIGKILL)


def run(request: Request, client: Path) -> None:
    """Run a command in this process as Python would."""
    import torch

    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.environment)
    for number, file in enumerate(request.files):
        os.dup2(file, number)
        os.close(file)
    sys.executable = str(client)
    tempfile.tempdir = None  # imports have asked for it
    # OpenMP read its own variable when it was loaded.
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    first, *rest = request.arguments
    if first == "-m":
        sys.path[0] = request.folder
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(first).resolve().parent)
        sys.argv = request.arguments
        runpy.run_path(first, run_name="__main__")


def main(folder: Path) -> None:
    """Serve until the input ends."""
    # As gapmatch's programs do before they import anything.
    sys.modules["wandb"] = None  # type: ignore[assignment]
    for name in PRELOADED:
        importlib.import_module(name)
    gc.freeze()  # else each fork copies what its first search for garbage touches
    server = Server(folder / SOCKET)
    sys.stdout.buffer.write(READY)
    sys.stdout.flush()
    try:
        request = server.serve()
    except BaseException:  # as Ctrl-C
        server.kill_all()
        raise
    status = 0
    if request is None:
        server.kill_all()
    else:
        try:
            run(request, folder / ITSELF)
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            if isinstance(ended.code, str):
                print(ended.code, file=sys.stderr)
        except BaseException:
            sys.excepthook(*sys.exc_info())
            status = 1
    end_process(status)


def end_process(status: int) -> Never:
    """End this process as Python does, but do not free what was imported."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
