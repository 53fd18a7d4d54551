"""Measure reading a subset out of the pool's shards against reading the same subset written out.

Every epoch of a training reads its shards. Out of the pool's, what is not kept is skipped; written
out, the subset lies together, but the disk holds it once more. The peer is webdataset's reader.
"""

import argparse
import io
import tarfile
import tempfile
from collections import deque
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from timing import in_turn, machine, table
from webdataset.tariterators import tar_file_iterator

from gapmatch.data.shards import read_samples, write_shard
from gapmatch.train.streaming import TrainingShard, kept_samples


def make_shard(path: Path, samples: int, size: int) -> list[str]:
    """Write a shard of samples with an image's worth of bytes; return their keys."""
    rng = np.random.default_rng(0)
    keys = [f"{number:09d}" for number in range(samples)]
    with tarfile.open(path, "w") as tar:
        for key in keys:
            for suffix, content in (("jpg", rng.bytes(size)), ("txt", b"a caption" * 8)):
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
    return keys


def read(source: TrainingShard) -> None:
    """Read what a training set keeps of a shard."""
    deque(kept_samples(source), maxlen=0)


def read_by_webdataset(tar: Path) -> None:
    """Read a shard as webdataset does."""
    with tar.open("rb") as file:
        deque(tar_file_iterator(file), maxlen=0)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--bytes", type=int, default=20_000, help="of an image")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    lines: list[list[object]] = []
    with tempfile.TemporaryDirectory() as folder:
        shard = Path(folder) / "00000.tar"
        keys = make_shard(shard, args.samples, args.bytes)

        for keep in (0.9, 0.5, 0.1):
            chosen = sorted(rng.choice(keys, round(keep * len(keys)), replace=False))
            kept = Path(folder) / f"kept_{keep}.parquet"
            frame = pl.DataFrame({"image_path": chosen})
            frame.with_columns(shard=pl.lit(shard.name)).write_parquet(kept)
            written = Path(folder) / f"written_{keep}.tar"
            wanted = set(chosen)
            write_shard(written, (one for one in read_samples(shard) if one[0] in wanted))
            readers = {
                "pool": partial(read, TrainingShard(shard, len(chosen), kept)),
                "written": partial(read, TrainingShard(written, len(chosen), None)),
                "webdataset": partial(read_by_webdataset, written),
            }
            seconds = in_turn(readers, args.rounds)
            lines.append([keep, *(f"{len(chosen) / seconds[name]:,.0f}" for name in readers)])
    print(
        f"Samples that one process reads per second, of a shard of {args.samples:,} samples of "
        f"{args.bytes / 1000:.0f} kB in the page cache. {machine()}.\n"
    )
    columns = ["keep", "out of the pool", "written out", "written out, by webdataset"]
    print(table(columns, lines))


if __name__ == "__main__":
    main()
