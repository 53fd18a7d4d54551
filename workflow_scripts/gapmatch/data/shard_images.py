"""Reading a few images out of webdataset shards, without extracting anything to disk."""

import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from PIL import Image

from gapmatch.data.image_extensions import IMAGE_FORMATS
from gapmatch.data.shard_samples import image_of, shard_samples
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_object

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 50_000_000


def shards_by_chunk(chunk_files: Sequence[Path]) -> dict[str, dict[str, Path]]:
    """Read chunk.json files: for each chunk id the path of each shard by its file name."""
    chunks: dict[str, dict[str, Path]] = {}
    for path in chunk_files:
        chunk = read_object(path, ("dataset", "chunk", "shards"))
        if chunk["chunk"] in chunks:
            raise InputError(f"{path}: chunk {chunk['chunk']} was named before; name it once")
        shards = [path.parent / shard["path"] for shard in chunk["shards"]]
        chunks[chunk["chunk"]] = {shard.name: shard for shard in shards}
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
    images: dict[tuple[str, str], Image.Image] = {}
    for shard in sorted({shard for shard, _ in wanted}):
        if shard not in shards:
            raise InputError(f"shard {shard} is in no chunk.json that was named; name its chunk")
        keys = {key for name, key in wanted if name == shard}
        for key, data in _images(shards[shard], keys):
            images[shard, key] = decode(data, side, f"{shards[shard]}: {key}")
    missing = sorted(set(wanted) - set(images))
    if missing:
        shard, key = missing[0]
        raise InputError(f"{shards[shard]}: has no image with the key {key}")
    return images


def _images(path: Path, keys: set[str]) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of the images of a shard's samples, stopping once every key was met."""
    left = set(keys)
    for sample in shard_samples(path, keys):
        if sample.key in left and sample.reason is None:
            try:
                _, data = image_of(sample.members)
            except ValueError as error:
                raise InputError(f"{path}: {sample.key}: {error}") from error
            if len(data) > MAX_BYTES:
                raise InputError(f"{path}: {sample.key} is larger than {MAX_BYTES} bytes")
            yield sample.key, data
            left.discard(sample.key)
        if not left:
            return


def decode(data: bytes, side: int, origin: str) -> Image.Image:
    """Decode an image of a known format to RGB, at most ``side`` pixels wide and high.

    What is transparent shows the colour below it: figures are of what models saw.

    Raises:
        InputError: It is no image of a known format, or has too many pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{origin}: {image.width} x {image.height} pixels are too many")
            image.draft("RGB", (2 * side, 2 * side))
            coloured = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{origin}: cannot be decoded as an image ({error})") from error
    coloured.thumbnail((side, side), Image.Resampling.LANCZOS)
    return coloured
