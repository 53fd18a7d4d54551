"""Pack one chunk of ImageNet, or of one of its shifted test sets, into webdataset shards."""

import argparse
from pathlib import Path

from gapmatch.data.chunks import Chunk
from gapmatch.data.imagefolder import chunk_images, pack_chunk, samples
from gapmatch.data.imagenet import VARIANTS, list_imagenet
from gapmatch.running.command_line import run


def main() -> None:
    """Pack the chunk."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=VARIANTS, required=True, help="which data set it is")
    parser.add_argument("--root", type=Path, required=True, help="its folder, as unpacked")
    parser.add_argument("--ground-truth", type=Path, help="of val with all images in one folder")
    parser.add_argument("--images", type=int, help="number of images; default: as published")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--chunk", required=True, help="id of the chunk, five digits")
    parser.add_argument("--chunks", type=int, required=True, help="number of chunks")
    parser.add_argument("--caption", required=True, help="caption with {class}")
    parser.add_argument("--samples-per-shard", type=int, required=True, help="images per shard")
    parser.add_argument("--out", type=Path, required=True, help="output: folder of the chunk")
    args = parser.parse_args()

    images, classes = list_imagenet(args.variant, args.root, args.ground_truth, args.images)
    images = chunk_images(images, int(args.chunk), args.chunks)
    border = VARIANTS[args.variant].border
    packed = samples(images, args.root, args.caption, styles={}, border=border)
    chunk = Chunk(
        dataset=args.dataset,
        chunk=args.chunk,
        shards=(),
        samples=len(images),
        classes=tuple(one.name for one in classes),
        imagenet_indices=tuple(one.indices for one in classes),
    )
    pack_chunk(packed, args.out, chunk, args.samples_per_shard)


if __name__ == "__main__":
    run(main)
