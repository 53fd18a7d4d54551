"""Reading a training set without copying it: shards of the pool pass through a filter.

open_clip reads ``pipe:`` sources; each is a program that writes one tar to its output. Here that
program is stream_shard.py, and the tar holds the samples of a shard that the subset kept.
"""

import io
import json
import shlex
import shutil
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import polars as pl

from gapmatch.atomic import write_json
from gapmatch.chunks import Chunk
from gapmatch.errors import InputError
from gapmatch.shards import split_name


@dataclass(frozen=True)
class TrainingShard:
    """A shard of a training set.

    Attributes:
        tar: The webdataset shard.
        samples: How many of its samples are trained on.
        kept: The subset's file of kept samples for the shard's chunk; None keeps all.
    """

    tar: Path
    samples: int
    kept: Path | None


def kept_shards(chunk: Chunk, kept: Path | None) -> list[TrainingShard]:
    """List the shards of a chunk of which something is kept.

    Args:
        chunk: The chunk.
        kept: Parquet file with a row (shard, image_path) per kept sample; None keeps all.
    """
    if kept is None:
        return [TrainingShard(shard.path, shard.samples, None) for shard in chunk.shards]
    counts = dict(pl.scan_parquet(kept).group_by("shard").agg(pl.len()).collect().iter_rows())
    unknown = set(counts) - {shard.path.name for shard in chunk.shards}
    if unknown:
        raise InputError(
            f"{kept} names shards that chunk {chunk.chunk} does not have: {sorted(unknown)}"
        )
    return [
        TrainingShard(shard.path, counts[shard.path.name], kept)
        for shard in chunk.shards
        if shard.path.name in counts
    ]


def write_manifest(path: Path, shards: Iterable[TrainingShard]) -> None:
    """Write the list of a training set's shards; stream_shard.py is called with an index in it."""
    rows = [
        {
            "tar": str(shard.tar.absolute()),
            "samples": shard.samples,
            "kept": str(shard.kept.absolute()) if shard.kept else None,
        }
        for shard in shards
    ]
    write_json(path, rows)


def read_manifest(path: Path) -> list[TrainingShard]:
    """Read what write_manifest wrote."""
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [
        TrainingShard(Path(row["tar"]), row["samples"], Path(row["kept"]) if row["kept"] else None)
        for row in rows
    ]


def shard_of(url: str) -> TrainingShard:
    """Return the shard that a source of the form ``pipe:… --manifest FILE --shard N`` streams."""
    words = shlex.split(url)
    manifest, position = (words[words.index(name) + 1] for name in ("--manifest", "--shard"))
    return read_manifest(Path(manifest))[int(position)]


def stream(shard: TrainingShard, output: BinaryIO) -> None:
    """Write the kept samples of a shard to ``output`` as a tar, in the shard's order.

    Raises:
        InputError: The shard is empty, or a kept sample is not in it.
    """
    if not shard.tar.stat().st_size:
        raise InputError(f"{shard.tar} is empty, expected a tar of {shard.samples} samples or more")
    if shard.kept is None:
        with shard.tar.open("rb") as source:
            shutil.copyfileobj(source, output, 1 << 20)
        return
    keys = set(
        pl.scan_parquet(shard.kept)
        .filter(pl.col("shard") == shard.tar.name)
        .select("image_path")
        .collect()["image_path"]
    )
    found = set()
    with (
        tarfile.open(shard.tar, "r|") as source,
        tarfile.open(fileobj=output, mode="w|") as target,
    ):
        for member in source:
            key, _ = split_name(member.name)
            if key in keys and member.isfile():
                found.add(key)
                content = source.extractfile(member)
                target.addfile(member, io.BytesIO(content.read()) if content else None)
    if missing := keys - found:
        raise InputError(
            f"{shard.tar} lacks {len(missing)} of the {len(keys)} samples that {shard.kept} keeps, "
            f"among them {min(missing)}: the shard changed after it was embedded"
        )
