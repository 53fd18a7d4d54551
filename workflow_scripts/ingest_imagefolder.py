"""Pack one chunk of a folder of images per class into webdataset shards."""

import argparse
from pathlib import Path

from gapmatch.data.chunks import Chunk
from gapmatch.data.imagefolder import chunk_images, image_styles, list_images, pack_chunk, samples
from gapmatch.running.command_line import run


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
    args = parser.parse_args()

    images, classes = list_images(args.root, args.class_names)
    images = chunk_images(images, int(args.chunk), args.chunks)
    packed = samples(images, args.root, args.caption, image_styles(args.root))
    chunk = Chunk(args.dataset, args.chunk, (), len(images), tuple(classes))
    pack_chunk(packed, args.out, chunk, args.samples_per_shard)


if __name__ == "__main__":
    run(main)
