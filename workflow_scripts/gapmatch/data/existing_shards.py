"""Webdataset shards that exist already: which of them a chunk has, and how many samples."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from braceexpand import braceexpand

from gapmatch.data.chunks import share
from gapmatch.data.shard_samples import count_samples
from gapmatch.running.errors import InputError

SHOWN = 10


def all_tars(shards: str) -> list[Path]:
    """Return the paths that brace notation stands for, absolute."""
    return [Path(path).absolute() for path in braceexpand(shards)]


def tars_of_chunk(tars: Sequence[Path], chunk: int, chunks: int) -> list[Path]:
    """Return a chunk's share of the shards: n c / chunks to n (c + 1) / chunks of n.

    Args:
        tars: All shards of the dataset.
        chunk: Number of the chunk, from 0.
        chunks: Number of chunks.

    Raises:
        InputError: A shard does not exist, or two of the chunk have the same name.
    """
    own = list(tars[share(len(tars), chunk, chunks)])
    missing = [str(tar) for tar in own if not tar.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of the {len(own)} shards of chunk {chunk:05d} do not exist: "
            f"{', '.join(missing[:SHOWN])}{' ...' if len(missing) > SHOWN else ''}"
        )
    names = Counter(tar.name for tar in own)
    repeated = sorted(name for name, times in names.items() if times > 1)
    if repeated:
        raise InputError(
            f"chunk {chunk:05d} has several shards of the name {', '.join(repeated[:SHOWN])}, and "
            "samples are told apart by it: rename them, or ask for more chunks so that each holds "
            "shards of one folder"
        )
    return own


def told_samples(tar: Path) -> int | None:
    """Return the number of samples that img2dataset's statistics beside a shard tell, if any.

    Raises:
        InputError: The statistics do not tell it.
    """
    stats = tar.with_name(f"{tar.stem}_stats.json")
    if not stats.exists():
        return None
    try:
        return int(json.loads(stats.read_text(encoding="utf-8"))["successes"])
    except (OSError, OverflowError, RecursionError, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{stats} does not say the shard's successes ({error!r}): expected what img2dataset "
            "writes; delete it to have the samples counted"
        ) from None


def samples_of(tar: Path) -> int:
    """Return the number of samples: img2dataset's statistics tell it, else the tar is read.

    Raises:
        InputError: The statistics do not tell it, or the tar cannot be read to its end.
    """
    told = told_samples(tar)
    return count_samples(tar) if told is None else told
