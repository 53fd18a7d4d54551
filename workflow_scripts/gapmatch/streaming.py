"""Reading a training set without copying it: of each shard of the pool, what a subset kept."""

import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

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
    """Write the list of a training set's shards."""
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


def kept_keys(shard: TrainingShard) -> set[str] | None:
    """Return the keys of the samples of a shard that are trained on; None is all of them."""
    if shard.kept is None:
        return None
    return set(
        pl.scan_parquet(shard.kept)
        .filter(pl.col("shard") == shard.tar.name)
        .select("image_path")
        .collect()["image_path"]
    )


def kept_members(shard: TrainingShard) -> Iterator[tuple[str, bytes]]:
    """Read the files of a shard's kept samples, in the shard's order; others are not read.

    Yields:
        Name and content of a file.

    Raises:
        InputError: The shard cannot be read, or a kept sample is not in it.
    """
    keys = kept_keys(shard)
    found = set()
    try:
        # "r:" is an uncompressed tar: what is not kept is skipped by seeking, not by reading.
        with tarfile.open(shard.tar, "r:") as archive:
            while member := archive.next():
                archive.members = []  # type: ignore[attr-defined]  # would keep all that it saw
                key, _ = split_name(member.name)
                if (keys is None or key in keys) and member.isfile():
                    found.add(key)
                    content = archive.extractfile(member)
                    yield member.name, content.read() if content else b""
    except (OSError, tarfile.TarError) as error:
        raise InputError(
            f"{shard.tar} cannot be read to its end ({error}): it was changed after it was embedded"
        ) from error
    if keys is not None and (missing := keys - found):
        raise InputError(
            f"{shard.tar} lacks {len(missing)} of the {len(keys)} samples that {shard.kept} keeps, "
            f"among them {min(missing)}: the shard changed after it was embedded"
        )
