"""List one chunk's share of webdataset shards that exist already; they are read in place."""

from pathlib import Path

from tqdm import tqdm

from gapmatch.data.chunks import Chunk, Shard, write_chunk
from gapmatch.data.existing_shards import all_tars, samples_of, tars_of_chunk
from gapmatch.running.atomic import atomic_directory
from gapmatch.running.command_line import run


def list_shards(*, shards: str, dataset: str, chunk: str, chunks: int, out: Path) -> None:
    """List one chunk's share of webdataset shards that exist already; they are read in place.

    Args:
        shards: Paths in brace notation.
        dataset: Name of the dataset.
        chunk: Id of the chunk, five digits.
        chunks: Number of chunks.
        out: Output: folder of the chunk.
    """
    tars = tars_of_chunk(all_tars(shards), int(chunk), chunks)
    found = [
        Shard(tar, samples_of(tar), tar.stat().st_size)
        for tar in tqdm(tars, unit="shard", mininterval=5)
    ]
    samples = sum(shard.samples for shard in found)
    with atomic_directory(out) as folder:
        write_chunk(folder, Chunk(dataset, chunk, tuple(found), samples, ()), samples)


if __name__ == "__main__":
    run(list_shards)
