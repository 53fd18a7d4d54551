"""Making a chunk of a dataset from its source."""

from collections.abc import Callable
from importlib import import_module

from gapmatch.data.chunks import Chunk
from gapmatch.data.imagefolder import chunk_images, pack_chunk, samples
from gapmatch.download.source import ChunkJob, Listing, Source
from gapmatch.running.errors import InputError


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
    if kind.listing is None:
        raise InputError(f"{name}: rules of its own make its chunks")
    listing = kind.listing

    def ingest(*, source, job: ChunkJob, caption: str, samples_per_shard: int) -> None:  # type: ignore[no-untyped-def]
        """Pack one chunk of labelled images into webdataset shards.

        Args:
            source: Where they are.
            job: The chunk.
            caption: Caption with {class}.
            samples_per_shard: Images per shard.
        """
        pack(listing(source), job, caption, samples_per_shard)

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
    images = chunk_images(listing.images, int(job.chunk), job.chunks)
    packed = samples(images, listing.root, caption, dict(listing.styles), border=listing.border)
    chunk = Chunk(
        job.dataset, job.chunk, (), len(images), listing.classes, listing.imagenet_indices
    )
    pack_chunk(packed, job.out, chunk, samples_per_shard)
