"""Pack one chunk of a folder of images per class into webdataset shards."""

import argparse
from itertools import count
from pathlib import Path

from tqdm import tqdm

from gapmatch.atomic import atomic_directory
from gapmatch.chunks import Chunk, Shard, write_chunk
from gapmatch.command_line import run
from gapmatch.imagefolder import chunk_images, image_styles, list_images, samples
from gapmatch.shards import write_shard


def main() -> None:
    """Pack the chunk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="holds one folder per class")
    parser.add_argument("--class-names", type=Path, help="JSON: class names by folder")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--chunk", required=True, help="id of the chunk, five digits")
    parser.add_argument("--chunks", type=int, required=True, help="number of chunks")
    parser.add_argument("--caption", required=True, help="caption with {class}")
    parser.add_argument("--samples-per-shard", type=int, required=True, help="images per shard")
    parser.add_argument("--out", type=Path, required=True, help="output: folder of the chunk")
    arguments = parser.parse_args()

    images, classes = list_images(arguments.root, arguments.class_names)
    images = chunk_images(images, int(arguments.chunk), arguments.chunks)
    styles = image_styles(arguments.root)
    packed = samples(images, arguments.root, arguments.caption, styles)
    shards = []
    with (
        atomic_directory(arguments.out) as folder,
        tqdm(total=len(images), unit="image", mininterval=5) as progress,
    ):
        for number in count():
            first = number * arguments.samples_per_shard
            size = min(arguments.samples_per_shard, len(images) - first)
            if size <= 0:
                break
            name = f"{number:05d}.tar"
            write_shard(folder / name, (next(packed) for _ in range(size)))
            shards.append(Shard(Path(name), size))
            progress.update(size)
        chunk = Chunk(
            arguments.dataset, arguments.chunk, tuple(shards), len(images), tuple(classes)
        )
        write_chunk(folder, chunk, len(images))


if __name__ == "__main__":
    run(main)
