"""Reading a few images out of webdataset shards, without extracting anything to disk."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from gapmatch.data.chunks import read_chunk
from gapmatch.data.decoding import decode_image
from gapmatch.data.shard_samples import image_of, shard_samples
from gapmatch.running.errors import InputError


def shards_by_chunk(chunk_files: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """Read chunk.json files: for each chunk id the path of each shard by its file name."""
    chunks: dict[str, dict[str, Path]] = {}
    for path in chunk_files:
        chunk = read_chunk(path.parent)
        if chunk.chunk in chunks:
            raise InputError(f"{path}: chunk {chunk.chunk} was named before; name it once")
        chunks[chunk.chunk] = {shard.path.name: shard.path for shard in chunk.shards}
    return chunks


def read_images(
    shards: Mapping[str, Path], wanted: Collection[tuple[str, str]], side: int
) -> dict[tuple[str, str], Image.Image]:
    """Read images by (shard file name, key), as RGB thumbnails of at most ``side`` pixels.

    Args:
        shards: Path of each shard by its file name.
        wanted: Pairs (shard, key); the key is what webdataset calls ``__key__``.
        side: Largest width and height in pixels.

    Raises:
        InputError: A shard or an image in it is missing, too large or cannot be decoded.
    """
    return {
        (shard, key): decode(data, side, f"{shards[shard]}: {key}")
        for (shard, key), data in read_contents(shards, wanted)
    }


def read_contents(
    shards: Mapping[str, Path], wanted: Collection[tuple[str, str]]
) -> Iterator[tuple[tuple[str, str], bytes]]:
    """Read the files of images, in the order of the shards' names and of their tars.

    Args:
        shards: Path of each shard by its file name.
        wanted: Pairs (shard, key).

    Yields:
        The pair, and the content of the image's file.

    Raises:
        InputError: A shard or an image in it is missing.
    """
    for shard in sorted({shard for shard, _ in wanted}):
        if shard not in shards:
            raise InputError(f"shard {shard} is in no chunk.json that was named; name its chunk")
        keys = {key for name, key in wanted if name == shard}
        for key, data in _images(shards[shard], keys):
            keys.discard(key)
            yield (shard, key), data
        if keys:
            raise InputError(f"{shards[shard]}: has no image with the key {min(keys)}")


def _images(path: Path, keys: set[str]) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of the images of a shard's samples, stopping once every key was met."""
    left = set(keys)
    for sample in shard_samples(path, keys):
        if sample.key in left and sample.reason is None:
            try:
                _, data = image_of(sample.members)
            except ValueError as error:
                raise InputError(f"{path}: {sample.key}: {error}") from error
            yield sample.key, data
            left.discard(sample.key)
        if not left:
            return


def decode(data: bytes, side: int, origin: str) -> Image.Image:
    """Decode an image as embedding does, to at most ``side`` pixels wide and high.

    Raises:
        InputError: Embedding would reject it.
    """
    try:
        image = decode_image(data)
    except ValueError as error:
        raise InputError(f"{origin}: cannot be decoded as an image ({error})") from error
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return image
