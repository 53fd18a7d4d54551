"""Pack one chunk of a folder of images per class into webdataset shards."""

from pathlib import Path

from gapmatch.data.chunks import Chunk
from gapmatch.data.imagefolder import chunk_images, image_styles, list_images, pack_chunk, samples
from gapmatch.running.command_line import run


def ingest_imagefolder(
    *,
    root: Path,
    class_names: Path | None = None,
    dataset: str,
    chunk: str,
    chunks: int,
    caption: str,
    samples_per_shard: int,
    out: Path,
) -> None:
    """Pack one chunk of a folder of images per class into webdataset shards.

    Args:
        root: Holds one folder per class.
        class_names: JSON: class names by folder.
        dataset: Name of the dataset.
        chunk: Id of the chunk, five digits.
        chunks: Number of chunks.
        caption: Caption with {class}.
        samples_per_shard: Images per shard.
        out: Output: folder of the chunk.
    """
    images, classes = list_images(root, class_names)
    images = chunk_images(images, int(chunk), chunks)
    packed = samples(images, root, caption, image_styles(root))
    described = Chunk(dataset, chunk, (), len(images), tuple(classes))
    pack_chunk(packed, out, described, samples_per_shard)


if __name__ == "__main__":
    run(ingest_imagefolder)
