"""Measure streaming a subset through the filter against reading the same subset written out.

Every epoch of a training reads its shards. Streamed, all of the pool passes by and the subset's
samples go on; written out, only they are read, but the disk holds them once more per subset.
"""

import argparse
import io
import os
import tarfile
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from timing import in_turn, machine, table

from gapmatch.streaming import TrainingShard, stream


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


def drain(source: TrainingShard) -> None:
    """Stream a shard to nowhere."""
    with Path(os.devnull).open("wb") as sink:
        stream(source, sink)


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
            sources = {
                "streamed": TrainingShard(shard, len(chosen), kept),
                "written": TrainingShard(written, len(chosen), None),
            }
            with written.open("wb") as file:
                stream(sources["streamed"], file)
            readers = {name: partial(drain, source) for name, source in sources.items()}
            seconds = in_turn(readers, args.rounds)
            rates = {name: len(chosen) / value for name, value in seconds.items()}
            lines.append(
                [
                    keep,
                    f"{rates['streamed']:,.0f}",
                    f"{rates['written']:,.0f}",
                    f"{shard.stat().st_size / written.stat().st_size:.1f}",
                ]
            )
    print(
        f"Samples that arrive per second and process, from a shard of {args.samples:,} samples of "
        f"{args.bytes / 1000:.0f} kB in the page cache. {machine()}.\n"
    )
    columns = [
        "keep",
        "streamed, samples/s",
        "written out, samples/s",
        "bytes read, streamed : written",
    ]
    print(table(columns, lines))


if __name__ == "__main__":
    main()
