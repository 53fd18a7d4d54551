"""Asks the fork server (fork_server.py) to run a Python command, as if it ran here.

Installed as ``python`` it takes Python's own arguments. What the server is not made for, Python
itself runs.
"""

import json
import os
import signal
import socket
import struct
import sys
from contextlib import suppress

CLIENT = "fork_client.py"
ITSELF = "python"
"""What starts it, beside it and the server's socket."""
SOCKET = "socket"
# These change what others import, before they are imported.
NOT_PRELOADED = {"run_img2dataset.py"}


def is_preloaded(arguments: list[str]) -> bool:
    """Return whether the server knows what a command imports."""
    if arguments[:2] == ["-m", "snakemake"]:
        return True
    program = arguments[0].rpartition("/")[2] if arguments else ""
    return program.endswith(".py") and program not in NOT_PRELOADED


def ask(arguments: list[str], address: str) -> int:
    """Let the server run a command with this process's environment, folder and standard files.

    Returns:
        What waitpid says of it.
    """
    # Not by pathlib, whose import takes as long as all the rest.
    folder = os.getcwd()  # noqa: PTH109
    request = {"arguments": arguments, "folder": folder, "environment": dict(os.environ)}
    text = json.dumps(request).encode()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(address)
        socket.send_fds(server, [struct.pack("!I", len(text))], [0, 1, 2])
        server.sendall(text)
        answer = server.recv(4, socket.MSG_WAITALL)
    if len(answer) < 4:
        sys.exit("the fork server of the tests is gone")
    return int(struct.unpack("!i", answer)[0])


def main() -> None:
    """Run a command and end as it does."""
    arguments = sys.argv[1:]
    if not is_preloaded(arguments):
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606
    folder = sys.argv[0].rpartition("/")[0]
    status = os.waitstatus_to_exitcode(ask(arguments, f"{folder}/{SOCKET}"))
    if status < 0:
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main()
