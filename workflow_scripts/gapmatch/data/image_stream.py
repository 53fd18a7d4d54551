"""Decoding the images of shards in order, in worker processes, without losing one silently.

The headers of a shard are read once, by the process that wants the images; workers read what lies
at the offsets. They live through all shards, and write pixels to memory that they share with that
process and use again, because the pages of fresh memory cost time.
"""

import mmap
import tarfile
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from gapmatch.data.fast_decoding import ReadImage, silence_libraries
from gapmatch.data.samples import Sample, Use, read_sample
from gapmatch.data.shard_samples import LocatedSample, ShardSample, located_samples, read_located
from gapmatch.running.errors import InputError

UNIT = 64
"""Samples that a worker decodes at a time, at most: few enough that all workers have some."""
AHEAD = 2
"""Units that each worker may be ahead."""


@dataclass(frozen=True)
class _Unit:
    """What a worker decodes at a time: samples that follow each other in a shard.

    Attributes:
        shard: Position of the shard.
        located: The samples.
        ends_batch: Whether a batch ends here.
        ends_shard: Whether the shard does.
        slot: Where the pixels go.
        error: What is wrong with the shard from here on.
    """

    shard: int
    located: tuple[LocatedSample, ...] = ()
    ends_batch: bool = False
    ends_shard: bool = False
    slot: int = 0
    error: InputError | None = None


@dataclass(frozen=True)
class DecodedUnit:
    """Some samples that follow each other in a shard.

    Attributes:
        shard: Position of the shard.
        samples: The samples, in order.
        pixels: (n, 3, h, w) of those without a ``reason``, in order; they are overwritten when the
            next unit is asked for.
        ends_batch: Whether a batch ends here.
        ends_shard: Whether the shard does.
        by_pillow: How many images Pillow decoded.
    """

    shard: int
    samples: list[Sample]
    pixels: torch.Tensor
    ends_batch: bool
    ends_shard: bool
    by_pillow: int


def _units(shards: Sequence[Path], batch_size: int) -> Iterator[_Unit]:
    """Yield the units of shards; batches end where shards do.

    A shard that cannot be read is reported in its turn, after the shards before it.
    """
    per_unit = -(-batch_size // -(-batch_size // UNIT))
    for number, shard in enumerate(shards):
        samples = located_samples(shard)
        unit: _Unit | None = None
        in_batch = 0
        try:
            while located := tuple(islice(samples, min(per_unit, batch_size - in_batch))):
                if unit:
                    yield unit
                in_batch += len(located)
                unit = _Unit(number, located, ends_batch=in_batch == batch_size)
                in_batch %= batch_size
        except InputError as error:
            yield _Unit(number, error=error)
            return
        yield replace(unit or _Unit(number), ends_batch=True, ends_shard=True)


class _Decoder(Dataset[Any]):
    """Decodes units, in whatever process.

    Attributes:
        shards: The shards.
        read: What is wanted of an image.
        use: What the samples are for.
        slots: (slots, samples, 3, h, w), memory that the processes share.
    """

    def __init__(
        self, shards: Sequence[Path], read: ReadImage, use: Use, slots: torch.Tensor
    ) -> None:
        self.shards, self.read, self.use, self.slots = shards, read, use, slots
        self.opened: tuple[int, BinaryIO] | None = None

    def __getitem__(self, unit: _Unit) -> tuple[_Unit, list[Sample], int, int]:
        """Decode a unit; return it without its places, its samples, and how many have pixels.

        The last number is how many of them Pillow decoded.
        """
        samples, pixels, by_pillow = [], 0, 0
        for located in unit.located:
            try:
                raw = self._raw(unit.shard, located)
            except InputError as error:
                return replace(unit, located=(), error=error), [], 0, 0
            sample, decoded = read_sample(raw, self.shards[unit.shard].name, self.read, self.use)
            samples.append(sample)
            if decoded is not None:
                if decoded.pixels.shape != self.slots.shape[2:]:
                    raise TypeError(
                        f"the preprocessing gives {tuple(decoded.pixels.shape)} of one image and "
                        f"{tuple(self.slots.shape[2:])} of another; expected one shape"
                    )
                self.slots[unit.slot, pixels] = decoded.pixels
                pixels += 1
                by_pillow += decoded.by_pillow
        return replace(unit, located=()), samples, pixels, by_pillow

    def _raw(self, shard: int, located: LocatedSample) -> ShardSample:
        path = self.shards[shard]
        try:
            if self.opened is None or self.opened[0] != shard:
                self.close()
                self.opened = shard, path.open("rb")
            return read_located(self.opened[1], located)
        except (OSError, tarfile.ReadError) as error:
            raise InputError(f"{path} cannot be read ({error})") from error

    def close(self) -> None:
        """Close the shard that was read last."""
        if self.opened:
            self.opened[1].close()
            self.opened = None


def _shared(shape: Sequence[int], dtype: torch.dtype) -> torch.Tensor:
    """Return memory that processes forked from this one share with it.

    It is not a file of /dev/shm, of which containers have little.
    """
    count = torch.Size(shape).numel()
    memory = mmap.mmap(-1, count * dtype.itemsize)
    return torch.frombuffer(memory, dtype=dtype, count=count).view(*shape)


def _same(value: Any) -> Any:
    return value


def _begin_worker(_: int) -> None:
    silence_libraries()


def _example(read: ReadImage) -> torch.Tensor:
    """Return what comes of an image, to know its shape and type."""
    content = BytesIO()
    Image.new("RGB", (256, 256)).save(content, "PNG")
    return read(content.getvalue()).pixels


def decoded_units(
    shards: Sequence[Path], read: ReadImage, batch_size: int, workers: int, use: Use
) -> Iterator[DecodedUnit]:
    """Decode shards unit by unit, in the order of their tars.

    ``AHEAD * workers + 1`` units of at most UNIT images are in memory.

    Args:
        shards: Webdataset tars.
        read: What is wanted of an image.
        batch_size: Samples per batch; a batch ends where its shard does.
        workers: Decoding processes; 0 decodes in this one. The result does not depend on it.
        use: What the samples are for.

    Raises:
        InputError: A shard cannot be read to its end. The shards before it were yielded.
    """
    example = _example(read)
    free = deque(range(AHEAD * workers + 1))
    slots = _shared((len(free), min(UNIT, batch_size), *example.shape), example.dtype)

    def in_slots() -> Iterator[_Unit]:
        for unit in _units(shards, batch_size):
            yield replace(unit, slot=free.popleft())

    decoder = _Decoder(shards, read, use, slots)
    loader = DataLoader(
        decoder,
        batch_size=None,
        sampler=in_slots(),
        collate_fn=_same,
        num_workers=workers,
        prefetch_factor=AHEAD if workers else None,
        multiprocessing_context="fork" if workers else None,
        worker_init_fn=_begin_worker,
    )
    with closing(decoder):
        for unit, samples, count, by_pillow in loader:
            if unit.error:
                raise unit.error
            pixels = slots[unit.slot, :count]
            yield DecodedUnit(
                unit.shard, samples, pixels, unit.ends_batch, unit.ends_shard, by_pillow
            )
            free.append(unit.slot)


def image_batches(
    shards: Sequence[Path], read: ReadImage, batch_size: int, workers: int, use: Use
) -> Iterator[tuple[list[Sample], torch.Tensor]]:
    """Decode shards batch by batch, in the order of their tars; no batch has samples of two.

    Args:
        shards: Webdataset tars.
        read: What is wanted of an image.
        batch_size: Samples per batch.
        workers: Decoding processes; 0 decodes in this one. The result does not depend on it.
        use: What the samples are for.

    Yields:
        The batch's samples, and the pixels (b, 3, h, w) of those without a ``reason``, in order.

    Raises:
        InputError: A shard cannot be read to its end.
    """
    samples: list[Sample] = []
    pixels: list[torch.Tensor] = []
    for unit in decoded_units(shards, read, batch_size, workers, use):
        samples += unit.samples
        pixels.append(unit.pixels.clone())
        if unit.ends_batch and samples:
            yield samples, torch.cat(pixels)
            samples, pixels = [], []
