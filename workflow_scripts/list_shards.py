"""List one chunk's share of webdataset shards that exist already; they are read in place."""

import argparse
from pathlib import Path

from tqdm import tqdm

from gapmatch.data.chunks import Chunk, Shard, write_chunk
from gapmatch.data.existing_shards import all_tars, samples_of, tars_of_chunk
from gapmatch.running.atomic import atomic_directory
from gapmatch.running.command_line import run


def main() -> None:
    """Write the chunk's manifest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", required=True, help="paths in brace notation")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--chunk", required=True, help="id of the chunk, five digits")
    parser.add_argument("--chunks", type=int, required=True, help="number of chunks")
    parser.add_argument("--out", type=Path, required=True, help="output: folder of the chunk")
    arguments = parser.parse_args()

    tars = tars_of_chunk(all_tars(arguments.shards), int(arguments.chunk), arguments.chunks)
    shards = [
        Shard(tar, samples_of(tar), tar.stat().st_size)
        for tar in tqdm(tars, unit="shard", mininterval=5)
    ]
    samples = sum(shard.samples for shard in shards)
    with atomic_directory(arguments.out) as folder:
        chunk = Chunk(arguments.dataset, arguments.chunk, tuple(shards), samples, ())
        write_chunk(folder, chunk, samples)


if __name__ == "__main__":
    run(main)
