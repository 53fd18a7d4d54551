"""Decoding the images of a shard in order, in worker processes, without losing one silently."""

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
import webdataset
from PIL import Image, UnidentifiedImageError
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from gapmatch.image_extensions import IMAGE_EXTENSIONS, IMAGE_FORMATS

MAX_PIXELS = 100_000_000
"""Larger images are rejected before they are decoded."""
MAX_ASPECT_RATIO = 100
"""More elongated ones too: preprocessing scales the shorter side to the model's input."""


@dataclass(frozen=True)
class Sample:
    """What is known of a sample besides its pixels; ``reason`` says why it has none."""

    image_path: str
    shard: str
    caption: str
    label: int | None
    class_name: str | None
    style: str | None
    reason: str | None


def decode_image(data: bytes) -> Image.Image:
    """Decode an image to RGB.

    Raises:
        ValueError: The bytes are no image, a truncated one, too large or too elongated.
    """
    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"image of {image.width} x {image.height} pixels is too large")
            if max(image.size) > MAX_ASPECT_RATIO * min(image.size):
                raise ValueError(f"image of {image.width} x {image.height} pixels is too elongated")
            return image.convert("RGB")
    except UnidentifiedImageError:
        # Its own message holds a memory address: no two runs would list the same reason.
        raise ValueError(f"no image of a known format ({', '.join(IMAGE_FORMATS)})") from None
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _describe(raw: dict[str, Any], shard: str) -> Sample:
    """Return what is known of a sample without decoding its image."""
    label, reason = None, None
    metadata: dict[str, Any] = {}
    try:
        metadata = _read_metadata(raw)
        label = int(raw["cls"]) if "cls" in raw else None
    except ValueError as error:
        reason = str(error)
    return Sample(
        image_path=raw["__key__"],
        shard=shard,
        caption=raw.get("txt", b"").decode("utf-8", errors="replace"),
        label=label,
        class_name=metadata.get("class_name"),
        style=metadata.get("style"),
        reason=reason,
    )


def _read_sample(
    raw: dict[str, Any], shard: str, preprocess: Callable[[Image.Image], torch.Tensor]
) -> tuple[Sample, torch.Tensor | None]:
    sample = _describe(raw, shard)
    if sample.reason is not None:
        return sample, None
    try:
        data = next((raw[ext] for ext in IMAGE_EXTENSIONS if ext in raw), None)
        if data is None:
            raise ValueError(f"no image: expected one of {', '.join(IMAGE_EXTENSIONS)}")
        return sample, preprocess(decode_image(data))
    except ValueError as error:
        return replace(sample, reason=str(error)), None


def _read_metadata(raw: dict[str, Any]) -> dict[str, Any]:
    metadata = json.loads(raw["json"]) if "json" in raw else {}
    if not isinstance(metadata, dict):
        raise ValueError("its json is no object")
    return metadata


def _raw_samples(shard: Path) -> Iterator[dict[str, Any]]:
    # Not webdataset.WebDataset: it would deal the one shard to one worker.
    return iter(
        webdataset.DataPipeline(
            webdataset.SimpleShardList([str(shard)]), webdataset.tarfile_to_samples()
        )
    )


def describe_shard(shard: Path) -> Iterator[Sample]:
    """Yield the samples of a shard in the order of its tar; images are not decoded."""
    for raw in _raw_samples(shard):
        yield _describe(raw, shard.name)


class _ShardBatches(IterableDataset[Any]):
    """Batches of one shard; with several workers each decodes every n-th batch.

    The loader takes the workers' batches in turn, so the order is that of the tar whatever
    the number of workers. Each worker reads the whole tar: decoding, not reading, is the cost.
    """

    def __init__(
        self, shard: Path, preprocess: Callable[[Image.Image], torch.Tensor], batch_size: int
    ) -> None:
        self.shard = shard
        self.preprocess = preprocess
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[tuple[list[Sample], torch.Tensor]]:
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker else (0, 1)
        # Decoded one by one: images as they are stored may be larger than the model's input.
        mine = (
            _read_sample(raw, self.shard.name, self.preprocess)
            for number, raw in enumerate(_raw_samples(self.shard))
            if number // self.batch_size % step == first
        )
        while read := list(islice(mine, self.batch_size)):
            pixels = [tensor for _, tensor in read if tensor is not None]
            samples = [sample for sample, _ in read]
            yield samples, torch.stack(pixels) if pixels else torch.empty(0)


def shard_batches(
    shard: Path,
    preprocess: Callable[[Image.Image], torch.Tensor],
    batch_size: int,
    workers: int,
) -> Iterator[tuple[list[Sample], torch.Tensor]]:
    """Decode a shard batch by batch, in the order of its tar.

    Args:
        shard: A webdataset tar.
        preprocess: PIL image to (3, h, w) float32.
        batch_size: Samples per batch.
        workers: Decoding processes; 0 decodes in this one. The result does not depend on it.

    Yields:
        The batch's samples, and the pixels (b, 3, h, w) of those without a ``reason``, in order.
    """
    dataset = _ShardBatches(shard, preprocess, batch_size)
    yield from DataLoader(dataset, batch_size=None, num_workers=workers)
