"""Fetching a chunk with img2dataset: resumed, verified shard by shard, and sealed."""

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
from tqdm import tqdm

from gapmatch.chunks import Chunk, Shard, write_chunk
from gapmatch.errors import InputError
from gapmatch.shards import count_samples, seal

logger = logging.getLogger(__name__)

ROUNDS = 3
"""How often img2dataset is started for a chunk before missing shards are an error."""
POLL_SECONDS = 2.0
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
    processes: int
    threads: int


def identity(urls: Path, settings: DownloadSettings) -> str:
    """Return a hash of what the shards depend on: the links and the settings of content."""
    content = {
        key: value for key, value in asdict(settings).items() if key not in {"processes", "threads"}
    }
    digest = hashlib.sha256(urls.read_bytes())
    digest.update(json.dumps(content, sort_keys=True).encode())
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
    program = Path(sys.executable).with_name("img2dataset")
    return [str(program), *(f"--{key}={value}" for key, value in options.items())]


def fetch(
    urls: Path,
    folder: Path,
    settings: DownloadSettings,
    timeout_minutes: float,
    proxy: str | None,
    lock: int,
) -> None:
    """Fetch all shards of a chunk into ``folder``, starting over with those that are damaged.

    Args:
        urls: Parquet with the columns url and caption.
        folder: Where img2dataset works; what an earlier run finished there is kept.
        settings: What img2dataset is told.
        timeout_minutes: After this time img2dataset is stopped.
        proxy: HTTP proxy to ask; None fetches directly.
        lock: Descriptor of the folder's lock, held by img2dataset too.

    Raises:
        InputError: It took too long, or shards are missing after ROUNDS starts.
    """
    deadline = time.monotonic() + 60 * timeout_minutes
    rows = pl.scan_parquet(urls).select(pl.len()).collect().item()
    expected = -(-rows // settings.samples_per_shard)
    environment = dict(os.environ, NO_ALBUMENTATIONS_UPDATE="1")
    if proxy:
        environment |= {"http_proxy": proxy, "no_proxy": "", "NO_PROXY": ""}
    for _ in range(ROUNDS):
        delete_damaged(folder)
        if len(finished(folder)) == expected:
            return
        _run(command(urls, folder, settings), environment, folder, expected, deadline, lock)
    delete_damaged(folder)
    if len(finished(folder)) < expected:
        raise InputError(
            f"{folder}: {expected - len(finished(folder))} of {expected} shards are missing after "
            f"{ROUNDS} runs of img2dataset; its messages above say why"
        )


def finished(folder: Path) -> list[str]:
    """Return the names of shards that img2dataset finished: it writes their statistics last."""
    return sorted(path.name.removesuffix("_stats.json") for path in folder.glob("*_stats.json"))


def delete_damaged(folder: Path) -> None:
    """Delete every shard that does not read to its end with the counted samples."""
    for name in finished(folder):
        tar = folder / f"{name}.tar"
        stats = folder / f"{name}_stats.json"
        try:
            counted = json.loads(stats.read_text(encoding="utf-8"))["successes"]
            samples = count_samples(tar)
            if samples == counted:
                continue
            logger.warning("%s has %d samples instead of %d", tar, samples, counted)
        except (InputError, ValueError, KeyError) as error:
            logger.warning("fetching %s again: %s", tar, error)
        stats.unlink()
        tar.unlink(missing_ok=True)


def _run(
    arguments: list[str],
    environment: dict[str, str],
    folder: Path,
    expected: int,
    deadline: float,
    lock: int,
) -> None:
    """Run img2dataset with its worker processes as one group, so that all can be stopped."""
    process = subprocess.Popen(
        arguments,
        env=environment,
        stdout=sys.stderr,
        start_new_session=True,
        pass_fds=(lock,),
    )
    try:
        with tqdm(total=expected, unit="shard", mininterval=5) as bar:
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise InputError(
                        f"{folder}: img2dataset took longer than download.timeout_minutes; "
                        "raise it, or make more chunks. What was fetched is kept"
                    )
                time.sleep(POLL_SECONDS if expected > 1 else POLL_SECONDS / 4)
                bar.update(len(finished(folder)) - bar.n)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
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
        (target / f"{name}_stats.json").write_bytes((folder / f"{name}_stats.json").read_bytes())
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
    write_chunk(target, Chunk(dataset, chunk, tuple(shards), samples, ()), len(links))
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
