"""Reading a training set without copying it: of each shard of the pool, what a subset kept."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from gapmatch.data.chunks import Chunk, read_chunk, require_unchanged
from gapmatch.data.shard_samples import ShardSample, shard_samples
from gapmatch.running.atomic import write_json
from gapmatch.running.errors import InputError, first_line
from gapmatch.subset.kept_files import kept_path


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
    """List the shards of a chunk that hold kept samples.

    Args:
        chunk: The chunk.
        kept: Parquet file with a row (shard, image_path) per kept sample; None keeps all.
    """
    if kept is None:
        return [TrainingShard(shard.path, shard.samples, None) for shard in chunk.shards]
    counts = dict(
        pl.scan_parquet(kept, glob=False).group_by("shard").agg(pl.len()).collect().iter_rows()
    )
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


def training_shards(folders: Sequence[Path], kept: Path | None) -> list[TrainingShard]:
    """List the shards of a dataset's chunks, of which all or what a folder says is kept.

    Raises:
        InputError: A shard has changed since it was listed.
    """
    chunks = [read_chunk(folder) for folder in folders]
    for chunk in chunks:
        require_unchanged(chunk)
    return [
        shard
        for chunk in chunks
        for shard in kept_shards(chunk, kept_path(kept, chunk.chunk) if kept else None)
    ]


@dataclass(frozen=True)
class ShardList:
    """What a training's processes are told beside open_clip_train's own arguments.

    Attributes:
        shards: The shards of the training set.
        skipped: How many samples may be skipped, over all epochs.
    """

    shards: Sequence[TrainingShard]
    skipped: int


def write_shard_list(path: Path, shard_list: ShardList) -> None:
    """Write a list of shards."""
    rows = [
        {
            "tar": str(shard.tar.absolute()),
            "samples": shard.samples,
            "kept": str(shard.kept.absolute()) if shard.kept else None,
        }
        for shard in shard_list.shards
    ]
    write_json(path, {"skipped": shard_list.skipped, "shards": rows})


def read_shard_list(path: Path) -> ShardList:
    """Read what write_shard_list wrote."""
    values = json.loads(path.read_text(encoding="utf-8"))
    shards = [
        TrainingShard(Path(row["tar"]), row["samples"], Path(row["kept"]) if row["kept"] else None)
        for row in values["shards"]
    ]
    return ShardList(shards, values["skipped"])


def kept_keys(shard: TrainingShard) -> set[str] | None:
    """Return the keys of the samples of a shard that are trained on; None is all of them.

    Raises:
        InputError: The subset's file cannot be read.
    """
    if shard.kept is None:
        return None
    try:
        kept = pl.scan_parquet(shard.kept, glob=False).filter(pl.col("shard") == shard.tar.name)
        return set(kept.select("image_path").collect()["image_path"])
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(
            f"{shard.kept} cannot be read ({first_line(error)}): make the subset again"
        ) from error


def kept_samples(
    shard: TrainingShard, passing: Callable[[], None] | None = None
) -> Iterator[ShardSample]:
    """Read the samples of a shard that are trained on, in its order; files of others are not read.

    Args:
        shard: The shard.
        passing: Is called at each file of the shard, read or not.

    Raises:
        InputError: The shard cannot be read to its end, or has other samples than it had.
    """
    keys = kept_keys(shard)
    missing = set(keys or ())
    count = 0
    for sample in shard_samples(shard.tar, keys, passing):
        # If a key occurs twice, the first sample was embedded.
        if keys is None or sample.key in missing:
            missing.discard(sample.key)
            count += 1
            yield sample
    if missing:
        raise InputError(
            f"{shard.tar} lacks {len(missing)} of the {shard.samples} samples that {shard.kept} "
            f"keeps, among them {min(missing)}: the shard changed after it was embedded"
        )
    if count != shard.samples:
        raise InputError(
            f"{shard.tar} holds {count} samples instead of {shard.samples}: it changed after it "
            "was listed"
        )
