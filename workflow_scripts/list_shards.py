"""List one chunk's share of webdataset shards that exist already; they are read in place."""

import argparse
import json
from collections import Counter
from pathlib import Path

from braceexpand import braceexpand
from tqdm import tqdm

from gapmatch.atomic import atomic_directory
from gapmatch.chunks import Chunk, Shard, write_chunk
from gapmatch.command_line import run
from gapmatch.errors import InputError
from gapmatch.shard_samples import count_samples


def samples_of(tar: Path) -> int:
    """Return the number of samples: img2dataset's statistics say it, else the tar is read."""
    stats = tar.with_name(f"{tar.stem}_stats.json")
    if not stats.exists():
        return count_samples(tar)
    try:
        return int(json.loads(stats.read_text(encoding="utf-8"))["successes"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{stats} does not say the shard's successes ({error!r}): expected what img2dataset "
            "writes; delete it to have the samples counted"
        ) from None


def main() -> None:
    """Write the chunk's manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", required=True, help="paths in brace notation")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--chunk", required=True, help="id of the chunk, five digits")
    parser.add_argument("--chunks", type=int, required=True, help="number of chunks")
    parser.add_argument("--out", type=Path, required=True, help="output: folder of the chunk")
    arguments = parser.parse_args()

    tars = [Path(path).absolute() for path in braceexpand(arguments.shards)]
    number = int(arguments.chunk)
    first = len(tars) * number // arguments.chunks
    last = len(tars) * (number + 1) // arguments.chunks
    tars = tars[first:last]
    missing = [str(tar) for tar in tars if not tar.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of the {len(tars)} shards of chunk {arguments.chunk} do not exist: "
            f"{', '.join(missing[:10])}{' ...' if len(missing) > 10 else ''}"
        )
    repeated = sorted(
        name for name, times in Counter(tar.name for tar in tars).items() if times > 1
    )
    if repeated:
        raise InputError(
            f"chunk {arguments.chunk} has several shards of the name {', '.join(repeated[:10])}, "
            "and samples are told apart by it: rename them, or ask for more chunks so that each "
            "holds shards of one folder"
        )
    shards = [Shard(tar, samples_of(tar)) for tar in tqdm(tars, unit="shard", mininterval=5)]
    samples = sum(shard.samples for shard in shards)
    with atomic_directory(arguments.out) as folder:
        chunk = Chunk(arguments.dataset, arguments.chunk, tuple(shards), samples, ())
        write_chunk(folder, chunk, samples)


if __name__ == "__main__":
    run(main)
