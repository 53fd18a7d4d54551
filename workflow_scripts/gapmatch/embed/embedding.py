"""Embedding a chunk shard by shard, resumable at the last finished shard."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from tqdm import tqdm

from gapmatch.data.chunks import Chunk, Shard
from gapmatch.data.embedding_files import join_embeddings, write_embeddings
from gapmatch.data.image_stream import decoded_units
from gapmatch.data.samples import Sample, Use
from gapmatch.embed.batch_encoder import BatchEncoder, Encoded
from gapmatch.models.image_encoders import ImageEncoder
from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError

logger = logging.getLogger(__name__)

METADATA_SCHEMA: dict[str, type[pl.DataType]] = {
    "image_path": pl.String,
    "shard": pl.String,
    "caption": pl.String,
    "label": pl.Int32,
    "class_name": pl.String,
    "style": pl.String,
}
REJECTED_SCHEMA: dict[str, type[pl.DataType]] = {
    "image_path": pl.String,
    "shard": pl.String,
    "reason": pl.String,
}
EMBEDDINGS, METADATA, REJECTED = ".npy", ".metadata.parquet", ".rejected.parquet"
"""Suffixes of the files of a finished shard."""


@dataclass(frozen=True)
class Embedded:
    """A shard after embedding.

    Attributes:
        embeddings: (rows, dim) float16, L2-normalised.
        metadata: One row per embedding, METADATA_SCHEMA.
        rejected: One row per sample without embedding, REJECTED_SCHEMA.
    """

    embeddings: np.ndarray
    metadata: pl.DataFrame
    rejected: pl.DataFrame


def fingerprint(chunk: Chunk, encoder: ImageEncoder) -> str:
    """Return a hash of what the embeddings of a chunk depend on: its shards and the model."""
    digest = hashlib.sha256(f"{encoder.name}, images in uint8".encode())
    for name, tensor in sorted(encoder.weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    for shard in chunk.shards:
        stat = shard.path.stat()
        digest.update(
            f"{shard.path.name} {shard.samples} {stat.st_size} {stat.st_mtime_ns}".encode()
        )
    return digest.hexdigest()


@dataclass
class _Batch:
    """A batch of one shard.

    Attributes:
        samples: Its samples, in order.
        encoded: Features of those without a ``reason``.
        ends_shard: Whether the shard ends here.
    """

    samples: list[Sample]
    encoded: Encoded
    ends_shard: bool


def embed_shards(
    shards: Sequence[Shard],
    encoder: ImageEncoder,
    batch_size: int,
    workers: int,
    use: Use,
    progress: Callable[[int], object],
) -> Iterator[Embedded]:
    """Embed the images of shards, each in the order of its tar.

    Args:
        shards: The shards.
        encoder: The model.
        batch_size: Images per batch.
        workers: Decoding processes.
        use: What the images are for.
        progress: Is told of the number of samples done, several times.

    Yields:
        What came of each shard, in order.

    Raises:
        InputError: A tar cannot be read, or does not hold as many samples as its manifest says.
    """
    batches = BatchEncoder(encoder, batch_size)
    position = 0
    blocks: list[np.ndarray] = []
    samples: list[Sample] = []
    for batch in _one_late(_encoded(shards, batches, workers, use)):
        blocks.append(batches.fetch(batch.encoded))
        samples += batch.samples
        progress(len(batch.samples))
        if batch.ends_shard:
            _require_samples(shards[position], len(samples))
            yield _embedded(blocks, samples)
            position, blocks, samples = position + 1, [], []


def _encoded(
    shards: Sequence[Shard], batches: BatchEncoder, workers: int, use: Use
) -> Iterator[_Batch]:
    """Decode and encode shards batch by batch; log in the end how many images Pillow decoded."""
    paths = [shard.path for shard in shards]
    read = batches.encoder.preprocessing.read
    samples: list[Sample] = []
    images = by_pillow = 0
    for unit in decoded_units(paths, read, batches.batch_size, workers, use):
        batches.add(unit.pixels)
        samples += unit.samples
        images += len(unit.pixels)
        by_pillow += unit.by_pillow
        if unit.ends_batch:
            yield _Batch(samples, batches.encode(), unit.ends_shard)
            samples = []
    if by_pillow:
        logger.info(
            "Pillow decoded %s of %s images: other formats, large JPEGs, or JPEGs that torchvision "
            "refuses",
            *(f"{number:,}" for number in (by_pillow, images)),
        )


def _one_late(batches: Iterator[_Batch]) -> Iterator[_Batch]:
    """Yield each batch when the next one is on its way, or cannot be had."""
    late = next(batches, None)
    while late is not None:
        try:
            following = next(batches, None)
        except Exception:
            yield late  # it may end a shard, which is kept then
            raise
        yield late
        late = following


def _require_samples(shard: Shard, found: int) -> None:
    if found != shard.samples:
        raise InputError(
            f"{shard.path} holds {found} samples, its chunk.json says "
            f"{shard.samples}: the shard changed after it was listed, or its _stats.json is of "
            "another; delete the chunk's folder to have it listed or fetched again"
        )


def _embedded(blocks: list[np.ndarray], samples: list[Sample]) -> Embedded:
    kept = [sample for sample in samples if sample.reason is None]
    rejected = [sample for sample in samples if sample.reason is not None]
    return Embedded(
        _stack(blocks), _frame(kept, METADATA_SCHEMA), _frame(rejected, REJECTED_SCHEMA)
    )


def _stack(blocks: list[np.ndarray]) -> np.ndarray:
    filled = [block for block in blocks if len(block)]
    return np.concatenate(filled) if filled else np.empty((0, 0), dtype=np.float32)


def _frame(samples: list[Sample], schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    columns = {key: [getattr(sample, key) for sample in samples] for key in schema}
    return pl.DataFrame(columns, schema=schema)


def embed_chunk(
    chunk: Chunk,
    embed: Callable[[Sequence[Shard], Callable[[int], object]], Iterator[Embedded]],
    state: Path,
) -> list[Path]:
    """Embed all shards of a chunk; finished ones are left as they are.

    Args:
        chunk: The chunk.
        embed: Embeds shards one after the other, and reports the number of samples done.
        state: Folder of finished shards, see gapmatch.running.resumption.

    Returns:
        The finished shards: path of each one's files without suffix, in the chunk's order.
    """
    stems = [state / f"{number:05d}" for number in range(len(chunk.shards))]
    # The marker is written last, so that its existence says that the shard is whole.
    finished = [stem.with_suffix(REJECTED).exists() for stem in stems]
    left = [number for number, done in enumerate(finished) if not done]
    shards = [chunk.shards[number] for number in left]
    done = chunk.samples - sum(shard.samples for shard in shards)
    with tqdm(
        total=chunk.samples,
        initial=done,
        unit="image",
        mininterval=5,
        desc=f"embed {chunk.chunk}",
    ) as bar:
        for number, embedded in zip(left, embed(shards, bar.update), strict=True):
            write_shard(embedded, stems[number])
    return stems


def write_shard(embedded: Embedded, stem: Path) -> None:
    """Write the three files of a finished shard, each atomically, the marker last."""
    write_embeddings(stem.with_suffix(EMBEDDINGS), embedded.embeddings)
    write_parquet(stem.with_suffix(METADATA), embedded.metadata)
    write_parquet(stem.with_suffix(REJECTED), embedded.rejected)


def join_shards(
    chunk: Chunk, stems: Sequence[Path], embeddings: Path, metadata: Path, rejected: Path
) -> None:
    """Write the three files of a chunk from those of its shards.

    Raises:
        InputError: No shard holds a sample that can be used.
    """
    known, lost = (
        pl.concat([pl.read_parquet(stem.with_suffix(suffix)) for stem in stems])
        for suffix in (METADATA, REJECTED)
    )
    if known.is_empty():
        reasons = lost["reason"].value_counts(sort=True)
        told = "; ".join(f"{number:,} samples: {why}" for why, number in reasons.head(3).rows())
        raise InputError(
            f"chunk {chunk.chunk} of {chunk.dataset} holds no sample that can be used: "
            f"{told or 'its shards are empty'}"
        )
    join_embeddings(embeddings, [stem.with_suffix(EMBEDDINGS) for stem in stems])
    write_parquet(metadata, _with_class_names(known, chunk.classes))
    write_parquet(rejected, lost)


def _with_class_names(known: pl.DataFrame, classes: Sequence[str]) -> pl.DataFrame:
    """Name the classes of samples that tell their label only: those of shards of other tools."""
    names = dict(enumerate(classes))
    named = pl.col("label").replace_strict(names, default=None, return_dtype=pl.String)
    return known.with_columns(class_name=pl.coalesce("class_name", named)) if names else known
