"""Fetch the images of one chunk with img2dataset; continues at the last whole shard."""

import argparse
import shutil
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

from gapmatch.data.chunks import read_chunk
from gapmatch.download.download import (
    DownloadSettings,
    check_success_rate,
    fetch,
    identity,
    seal_chunk,
)
from gapmatch.emoji.web_server import serve_crawl
from gapmatch.running.atomic import atomic_directory
from gapmatch.running.command_line import run
from gapmatch.running.resumption import claim_state


def main() -> None:
    """Fetch, verify and seal the chunk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--urls", type=Path, required=True, help="parquet with url and caption")
    parser.add_argument("--site", type=Path, help="rendered crawl to serve and fetch from")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--chunk", required=True, help="id of the chunk, five digits")
    parser.add_argument("--image-size", type=int, required=True, help="side, pixels")
    parser.add_argument("--resize-mode", required=True, help="img2dataset's --resize_mode")
    parser.add_argument("--samples-per-shard", type=int, required=True, help="links per shard")
    parser.add_argument("--min-success-rate", type=float, required=True, help="share of links")
    parser.add_argument("--max-image-area", type=int, required=True, help="pixels")
    parser.add_argument("--retries", type=int, required=True, help="of a failed link")
    parser.add_argument("--timeout-minutes", type=float, required=True, help="for the chunk")
    parser.add_argument("--processes", type=int, default=1, help="of img2dataset")
    parser.add_argument("--threads", type=int, default=16, help="of each process")
    parser.add_argument(
        "--work", type=Path, required=True, help="folder of unfinished work; survives a kill"
    )
    parser.add_argument("--out", type=Path, required=True, help="output: folder of the chunk")
    arguments = parser.parse_args()

    settings = DownloadSettings(
        image_size=arguments.image_size,
        resize_mode=arguments.resize_mode,
        samples_per_shard=arguments.samples_per_shard,
        max_image_area=arguments.max_image_area,
        retries=arguments.retries,
        processes=arguments.processes,
        threads=arguments.threads,
    )
    # A batch system's polite kill must end img2dataset too, which runs in a session of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    work = arguments.work.absolute()
    claim_state(work, identity(arguments.urls, settings, arguments.site))
    shards = work / "shards"
    with serve_crawl(arguments.site) if arguments.site else nullcontext() as proxy:
        fetch(arguments.urls, shards, settings, arguments.timeout_minutes, proxy)
    with atomic_directory(arguments.out) as folder:
        failed = seal_chunk(shards, arguments.dataset, arguments.chunk, folder)
        links = read_chunk(folder).samples + len(failed)
        check_success_rate(failed, links, arguments.min_success_rate, arguments.chunk)
    shutil.rmtree(work)


if __name__ == "__main__":
    run(main)
