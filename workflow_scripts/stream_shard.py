"""Write the kept samples of one shard of a training set to standard output, as a tar."""

import argparse
import os
import sys
from pathlib import Path

from gapmatch.command_line import run
from gapmatch.errors import InputError
from gapmatch.streaming import read_manifest, stream


def main() -> None:
    """Parse the arguments and stream the shard."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="list of the shards")
    parser.add_argument("--shard", type=int, required=True, help="position in the list")
    arguments = parser.parse_args()
    shards = read_manifest(arguments.manifest)
    if not 0 <= arguments.shard < len(shards):
        raise InputError(
            f"--shard is {arguments.shard}, but {arguments.manifest} lists {len(shards)} shards"
        )
    try:
        stream(shards[arguments.shard], sys.stdout.buffer)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader has its epoch's samples and closed the pipe. Status 141 is what a shell
        # reports for SIGPIPE, and what webdataset takes as a normal end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    run(main)
