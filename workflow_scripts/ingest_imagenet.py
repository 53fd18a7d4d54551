"""Pack one chunk of ImageNet, or of one of its shifted test sets, into webdataset shards."""

from pathlib import Path

from gapmatch.data.chunks import Chunk
from gapmatch.data.imagefolder import chunk_images, pack_chunk, samples
from gapmatch.data.imagenet import VARIANTS, list_imagenet
from gapmatch.running.command_line import run


def ingest_imagenet(
    *,
    variant: str,
    root: Path,
    ground_truth: Path | None = None,
    images: int | None = None,
    dataset: str,
    chunk: str,
    chunks: int,
    caption: str,
    samples_per_shard: int,
    out: Path,
) -> None:
    """Pack one chunk of ImageNet, or of one of its shifted test sets, into webdataset shards.

    Args:
        variant: Which data set it is: train, val, sketch, a, r, v2 or objectnet.
        root: Its folder, as unpacked.
        ground_truth: Of val with all images in one folder.
        images: Number of images; as published where it is not given.
        dataset: Name of the dataset.
        chunk: Id of the chunk, five digits.
        chunks: Number of chunks.
        caption: Caption with {class}.
        samples_per_shard: Images per shard.
        out: Output: folder of the chunk.
    """
    listed, classes = list_imagenet(variant, root, ground_truth, images)
    listed = chunk_images(listed, int(chunk), chunks)
    packed = samples(listed, root, caption, styles={}, border=VARIANTS[variant].border)
    described = Chunk(
        dataset=dataset,
        chunk=chunk,
        shards=(),
        samples=len(listed),
        classes=tuple(one.name for one in classes),
        imagenet_indices=tuple(one.indices for one in classes),
    )
    pack_chunk(packed, out, described, samples_per_shard)


if __name__ == "__main__":
    run(ingest_imagenet)
