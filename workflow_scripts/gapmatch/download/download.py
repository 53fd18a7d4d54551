"""Fetching a chunk with img2dataset: resumed, verified shard by shard, and sealed."""

import hashlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NoReturn

import polars as pl
from tqdm import tqdm

from gapmatch.data.chunks import Chunk, Shard, write_chunk
from gapmatch.data.shards import seal
from gapmatch.download.finished_shards import STATISTICS, delete_damaged, finished, is_whole
from gapmatch.running.atomic import write_text
from gapmatch.running.disk_space import is_full, no_space, telling_no_space
from gapmatch.running.errors import InputError
from gapmatch.running.process_lifetime import ending_with_this_process
from gapmatch.running.result_files import count_rows

logger = logging.getLogger(__name__)

SCRIPTS = Path(__file__).resolve().parents[2]
ROUNDS = 3
"""How often img2dataset is started for a chunk before missing shards are an error."""
POLL_SECONDS = 1.0
ATTEMPT = "attempt-"
REASONS_SHOWN = 3


@dataclass(frozen=True)
class DownloadSettings:
    """What img2dataset is told.

    Attributes:
        image_size: Side of the stored images, pixels.
        resize_mode: img2dataset's --resize_mode.
        samples_per_shard: Links per shard.
        max_image_area: Larger images are rejected, pixels.
        retries: How often a failed link is tried again.
        processes: Processes of img2dataset.
        threads: Threads of each.
    """

    image_size: int
    resize_mode: str
    samples_per_shard: int
    max_image_area: int
    retries: int
    processes: int = 1
    threads: int = 16


def identity(urls: Path, settings: DownloadSettings, site: Path | None) -> str:
    """Return a hash of what the shards depend on: links, settings of content, a site's files."""
    content = {
        key: value for key, value in asdict(settings).items() if key not in {"processes", "threads"}
    }
    digest = hashlib.sha256(urls.read_bytes())
    digest.update(json.dumps(content, sort_keys=True).encode())
    # A crawl that is rendered anew may keep its links and change what is behind them.
    if site:
        for path in sorted(path for path in site.rglob("*") if path.is_file()):
            digest.update(f"{path.relative_to(site)} {path.stat().st_size} ".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def command(urls: Path, folder: Path, settings: DownloadSettings) -> list[str]:
    """Return the command line that fetches the links of ``urls`` into ``folder``."""
    columns = pl.read_parquet_schema(urls)
    extra = [name for name in columns if name not in {"url", "caption"}]
    options = {
        "url_list": urls,
        "input_format": "parquet",
        "url_col": "url",
        "caption_col": "caption",
        "save_additional_columns": json.dumps(extra),
        "output_folder": folder,
        "output_format": "webdataset",
        "image_size": settings.image_size,
        "resize_mode": settings.resize_mode,
        "number_sample_per_shard": settings.samples_per_shard,
        "max_image_area": settings.max_image_area,
        "retries": settings.retries,
        "processes_count": settings.processes,
        "thread_count": settings.threads,
        "incremental_mode": "incremental",
        "compute_hash": "sha256",
        "enable_wandb": False,
    }
    program = [sys.executable, str(SCRIPTS / "run_img2dataset.py")]
    return [*program, *(f"--{key}={value}" for key, value in options.items())]


def fetch(
    urls: Path,
    folder: Path,
    settings: DownloadSettings,
    timeout_minutes: float,
    proxy: str | None,
) -> None:
    """Fetch all shards of a chunk into ``folder``, starting over with those that are damaged.

    img2dataset works in a folder of its own for each start, and shards are taken from it only
    while this process lives. When it is killed, what its img2dataset still writes is lost: it
    may be wrong (the crawl's server ends with this process, and every link fails from then on).

    Args:
        urls: Parquet with the columns url and caption.
        folder: Where whole shards are collected; those of an earlier run are kept.
        settings: What img2dataset is told.
        timeout_minutes: After this time img2dataset is stopped.
        proxy: HTTP proxy to ask; None fetches directly.

    Raises:
        InputError: There is no link, it took too long, or shards are missing after ROUNDS starts.
        NoSpaceError: Shards are missing and the disk is full.
    """
    deadline = time.monotonic() + 60 * timeout_minutes
    rows = count_rows(urls)
    if not rows:
        raise InputError(f"{urls} holds no link: ask for fewer chunks than there are links")
    expected = -(-rows // settings.samples_per_shard)
    environment = dict(os.environ)
    if proxy:
        environment |= {"http_proxy": proxy, "no_proxy": "", "NO_PROXY": ""}
    folder.mkdir(parents=True, exist_ok=True)
    delete_damaged(folder)
    with tqdm(
        total=expected, initial=len(finished(folder)), unit="shard", mininterval=5
    ) as progress:
        for _ in range(ROUNDS):
            if len(finished(folder)) == expected:
                return
            with telling_no_space(folder), _attempt(folder) as attempt:
                arguments = command(urls, attempt, settings)
                _run(arguments, environment, attempt, folder, deadline, progress)
                # Where its workers found the disk full, img2dataset goes on without their shards.
                if len(finished(folder)) < expected and is_full(folder):
                    raise no_space(folder)
    if len(finished(folder)) < expected:
        raise InputError(
            f"{folder}: {expected - len(finished(folder))} of {expected} shards are missing after "
            f"{ROUNDS} runs of img2dataset; its messages above say why"
        )


@contextmanager
def _attempt(folder: Path) -> Iterator[Path]:
    """Yield a new folder for img2dataset beside ``folder``; whole shards count as done in it."""
    for abandoned in folder.parent.glob(f"{ATTEMPT}*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    attempt = Path(tempfile.mkdtemp(prefix=ATTEMPT, dir=folder.parent))
    try:
        for name in finished(folder):
            shutil.copyfile(folder / f"{name}{STATISTICS}", attempt / f"{name}{STATISTICS}")
        yield attempt
    finally:
        shutil.rmtree(attempt, ignore_errors=True)


def _collect(attempt: Path, folder: Path) -> int:
    """Move the whole shards of an attempt to ``folder``, statistics last; return their number."""
    collected = 0
    for name in sorted(set(finished(attempt)) - set(finished(folder))):
        if not (attempt / f"{name}.tar").exists() or not is_whole(attempt, name):
            continue
        for suffix in (".tar", ".parquet"):
            (attempt / f"{name}{suffix}").replace(folder / f"{name}{suffix}")
        # A copy: img2dataset's own log reads the statistics where it wrote them.
        write_text(
            folder / f"{name}{STATISTICS}",
            (attempt / f"{name}{STATISTICS}").read_text(encoding="utf-8"),
        )
        collected += 1
    return collected


def _run(
    arguments: list[str],
    environment: dict[str, str],
    attempt: Path,
    folder: Path,
    deadline: float,
    progress: "tqdm[NoReturn]",
) -> None:
    """Run img2dataset with its worker processes as one group, so that all can be stopped."""
    process = subprocess.Popen(
        arguments,
        env=environment,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=ending_with_this_process(),
    )
    try:
        while process.poll() is None:
            if time.monotonic() > deadline:
                raise InputError(
                    f"{folder}: img2dataset took longer than download.timeout_minutes; "
                    "raise it, or make more chunks. What was fetched is kept"
                )
            time.sleep(POLL_SECONDS)
            progress.update(_collect(attempt, folder))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    progress.update(_collect(attempt, folder))
    if process.returncode:
        logger.warning("img2dataset ended with status %d", process.returncode)


def seal_chunk(folder: Path, dataset: str, chunk: str, target: Path) -> pl.DataFrame:
    """Assemble a chunk from fetched shards: sealed tars, tables by key, and its manifest.

    Args:
        folder: Where img2dataset worked.
        dataset: Name of the dataset.
        chunk: Id of the chunk.
        target: An empty folder.

    Returns:
        One row per link that failed: url, caption, status, error_message.
    """
    shards, tables = [], []
    for name in tqdm(finished(folder), unit="shard", mininterval=5, desc="seal"):
        samples = seal(folder / f"{name}.tar", target / f"{name}.tar")
        if samples:
            shards.append(Shard(Path(f"{name}.tar"), samples))
        else:
            (target / f"{name}.tar").unlink()
        table = pl.read_parquet(folder / f"{name}.parquet").sort("key")
        table.write_parquet(target / f"{name}.parquet")
        tables.append(table)
        shutil.copyfile(folder / f"{name}{STATISTICS}", target / f"{name}{STATISTICS}")
    links = pl.concat(tables)
    failed = links.filter(pl.col("status") != "success").select(
        "url", "caption", "status", "error_message"
    )
    failed.write_parquet(target / "failed.parquet")
    samples = sum(shard.samples for shard in shards)
    if samples + len(failed) != len(links):
        raise InputError(
            f"{folder}: {len(links)} links are not {samples} samples and {len(failed)} failures; "
            "delete the folder and fetch the chunk again"
        )
    write_chunk(target, Chunk(dataset, chunk, tuple(shards), samples, (), urls=len(links)))
    return failed


def check_success_rate(failed: pl.DataFrame, links: int, minimum: float, chunk: str) -> None:
    """Refuse a chunk of which too little could be fetched.

    Raises:
        InputError: The share of fetched links is below ``minimum``.
    """
    fetched = links - len(failed)
    if fetched >= minimum * links:
        return
    reasons = failed["error_message"].value_counts(sort=True).head(REASONS_SHOWN)
    listed = "; ".join(f"{count} x {reason}" for reason, count in reasons.iter_rows())
    raise InputError(
        f"chunk {chunk}: only {fetched} of {links} links could be fetched, less than "
        f"download.min_success_rate ({minimum:g}). Most frequent reasons: {listed}"
    )
