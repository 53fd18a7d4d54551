"""Embedding a chunk shard by shard, resumable at the last finished shard."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from tqdm import tqdm

from gapmatch.data.chunks import Chunk, Shard
from gapmatch.data.embedding_files import join_embeddings, write_embeddings
from gapmatch.data.image_stream import Sample, Use, shard_batches
from gapmatch.models.image_encoders import ImageEncoder
from gapmatch.models.weights import autocast
from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError

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
    digest = hashlib.sha256(encoder.name.encode())
    for name, tensor in sorted(encoder.weights.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    for shard in chunk.shards:
        stat = shard.path.stat()
        digest.update(
            f"{shard.path.name} {shard.samples} {stat.st_size} {stat.st_mtime_ns}".encode()
        )
    return digest.hexdigest()


@torch.no_grad()
def embed_shard(
    shard: Shard,
    encoder: ImageEncoder,
    batch_size: int,
    workers: int,
    use: Use,
    progress: Callable[[int], object],
) -> Embedded:
    """Embed the images of one shard in the order of its tar.

    Raises:
        InputError: The tar does not hold as many samples as its manifest says.
    """
    blocks, kept, rejected = [], [], []
    for samples, pixels in shard_batches(shard.path, encoder.preprocess, batch_size, workers, use):
        if len(pixels):
            with autocast(encoder.device):
                features = encoder.encode(pixels.to(encoder.device, non_blocking=True))
            blocks.append(features.float().cpu().numpy())
        kept += [sample for sample in samples if sample.reason is None]
        rejected += [sample for sample in samples if sample.reason is not None]
        progress(len(samples))
    if len(kept) + len(rejected) != shard.samples:
        raise InputError(
            f"{shard.path} holds {len(kept) + len(rejected)} samples, its chunk.json says "
            f"{shard.samples}: the shard changed after it was listed, or its _stats.json is of "
            "another; delete the chunk's folder to have it listed or fetched again"
        )
    return Embedded(
        _stack(blocks), _frame(kept, METADATA_SCHEMA), _frame(rejected, REJECTED_SCHEMA)
    )


def _stack(blocks: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(blocks) if blocks else np.empty((0, 0), dtype=np.float32)


def _frame(samples: list[Sample], schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    columns = {key: [getattr(sample, key) for sample in samples] for key in schema}
    return pl.DataFrame(columns, schema=schema)


def embed_chunk(
    chunk: Chunk,
    embed: Callable[[Shard, Callable[[int], object]], Embedded],
    state: Path,
) -> list[Path]:
    """Embed all shards of a chunk; finished ones are left as they are.

    Args:
        chunk: The chunk.
        embed: Embeds one shard and reports the number of samples done.
        state: Folder of finished shards, see gapmatch.running.resumption.

    Returns:
        The finished shards: path of each one's files without suffix, in the chunk's order.
    """
    stems = [state / f"{number:05d}" for number in range(len(chunk.shards))]
    with tqdm(total=chunk.samples, unit="image", mininterval=5, desc=f"embed {chunk.chunk}") as bar:
        for shard, stem in zip(chunk.shards, stems, strict=True):
            # Written last, so that its existence says that the shard is whole.
            if stem.with_suffix(REJECTED).exists():
                bar.update(shard.samples)
            else:
                write_shard(embed(shard, bar.update), stem)
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
    write_parquet(metadata, known)
    write_parquet(rejected, lost)
