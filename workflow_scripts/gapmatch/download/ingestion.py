"""Making a chunk of a dataset from its source."""

import logging
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module

from gapmatch.data.chunks import Chunk, write_chunk
from gapmatch.data.class_names import class_problems
from gapmatch.data.imagefolder import chunk_images, pack_chunk, samples
from gapmatch.data.labelled_shards import list_shards, packed_samples
from gapmatch.data.labels import LabelledShards
from gapmatch.download.source import ChunkJob, Listing, Source
from gapmatch.running.atomic import atomic_directory
from gapmatch.running.errors import InputError

logger = logging.getLogger(__name__)

REFERENCE = "reference"
"""The dataset that is trained on, so that its samples have captions."""


def ingestion(name: str) -> Callable[..., None]:
    """Return the program that makes a chunk from a source.

    Args:
        name: Module of the source in ``sources/``, which alone is imported.

    Raises:
        InputError: It is a source of other rules.
    """
    kind: Source = import_module(f"gapmatch.download.sources.{name}").SOURCE
    if kind.ingest:
        return kind.ingest
    if not kind.packs:
        raise InputError(f"{name}: rules of its own make its chunks")

    def ingest(*, source, job: ChunkJob, caption: str, samples_per_shard: int) -> None:  # type: ignore[no-untyped-def]
        """Pack one chunk of labelled images into webdataset shards.

        A test set that is in shards is read in place.

        Args:
            source: Where they are.
            job: The chunk.
            caption: Caption with {class}.
            samples_per_shard: Images per shard.
        """
        if kind.listing:
            pack(kind.listing(source), job, caption, samples_per_shard)
        elif kind.shards and job.dataset == REFERENCE:
            repack(kind.shards(source), job, caption, samples_per_shard)
        elif kind.shards:
            list_in_place(kind.shards(source), job)

    ingest.__annotations__["source"] = kind.settings
    return ingest


def pack(listing: Listing, job: ChunkJob, caption: str, samples_per_shard: int) -> None:
    """Pack one chunk of listed images into webdataset shards.

    Args:
        listing: All images of the dataset.
        job: The chunk.
        caption: Caption with {class}.
        samples_per_shard: Images per shard.
    """
    _warn(job, listing.classes, (image.label for image in listing.images))
    images = chunk_images(listing.images, int(job.chunk), job.chunks)
    packed = samples(images, listing.root, caption, dict(listing.styles), border=listing.border)
    chunk = Chunk(
        job.dataset, job.chunk, (), len(images), listing.classes, listing.imagenet_indices
    )
    pack_chunk(packed, job.out, chunk, samples_per_shard)


def repack(found: LabelledShards, job: ChunkJob, caption: str, samples_per_shard: int) -> None:
    """Pack one chunk of images in shards into others: with captions, and the classes mixed.

    Args:
        found: All images of the dataset.
        job: The chunk.
        caption: Caption with {class}.
        samples_per_shard: Images per shard.
    """
    _, all_samples = list_shards(found)
    _warn(job, found.classes, (label for sample in all_samples for label in sample.labels))
    chosen = chunk_images(all_samples, int(job.chunk), job.chunks)
    packed = packed_samples(chosen, found.tars, found.classes, caption)
    chunk = Chunk(job.dataset, job.chunk, (), len(chosen), found.classes)
    pack_chunk(packed, job.out, chunk, samples_per_shard)


def list_in_place(found: LabelledShards, job: ChunkJob) -> None:
    """Make a test set of shards that stay where they are.

    Args:
        found: Its images.
        job: Its chunk.
    """
    shards, samples_in_them = list_shards(found)
    if found.images_have != "captions":
        labels = [label for sample in samples_in_them for label in sample.labels]
        _warn(job, found.classes, labels, found.images_have == "classes")
    number = sum(shard.samples for shard in shards)
    chunk = Chunk(
        job.dataset, job.chunk, tuple(shards), number, found.classes, templates=found.templates
    )
    with atomic_directory(job.out) as folder:
        write_chunk(folder, chunk)


def _warn(
    job: ChunkJob, classes: Sequence[str], labels: Iterable[int], multilabel: bool = False
) -> None:
    """Log what is odd about the classes of a dataset."""
    for problem in class_problems(classes, labels, multilabel):
        logger.warning("%s: %s", job.dataset, problem)
