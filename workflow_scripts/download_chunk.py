"""Fetch the images of one chunk with img2dataset; continues at the last whole shard."""

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
from gapmatch.running.resumption import claim_state, delete_state


def download_chunk(
    *,
    urls: Path,
    site: Path | None = None,
    dataset: str,
    chunk: str,
    settings: DownloadSettings,
    min_success_rate: float,
    timeout_minutes: float,
    state: Path,
    out: Path,
) -> None:
    """Fetch the images of one chunk with img2dataset; continues at the last whole shard.

    Args:
        urls: Parquet with url and caption.
        site: Rendered crawl to serve and fetch from.
        dataset: Name of the dataset.
        chunk: Id of the chunk, five digits.
        settings: What img2dataset is told.
        min_success_rate: Share of the links that must be fetched.
        timeout_minutes: Minutes for the chunk.
        state: Folder of unfinished work; survives a kill.
        out: Output: folder of the chunk.
    """
    # A batch system's polite kill must end img2dataset too, which runs in a session of its own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    state = state.absolute()
    claim_state(state, identity(urls, settings, site))
    shards = state / "shards"
    with serve_crawl(site) if site else nullcontext() as proxy:
        fetch(urls, shards, settings, timeout_minutes, proxy)
    with atomic_directory(out) as folder:
        failed = seal_chunk(shards, dataset, chunk, folder)
        links = read_chunk(folder).samples + len(failed)
        check_success_rate(failed, links, min_success_rate, chunk)
    delete_state(state)


if __name__ == "__main__":
    run(download_chunk)
