"""Embedding a chunk shard by shard, resumable at the last finished shard."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from tqdm import tqdm

from gapmatch.atomic import write_parquet
from gapmatch.chunks import Chunk, Shard
from gapmatch.clip_models import Preprocess
from gapmatch.embedding_files import write_embeddings
from gapmatch.errors import InputError
from gapmatch.image_stream import Sample, shard_batches
from gapmatch.weights import autocast

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


@dataclass(frozen=True)
class Embedded:
    """A shard or a chunk after embedding.

    Attributes:
        embeddings: (rows, dim) float16, L2-normalised.
        metadata: One row per embedding, METADATA_SCHEMA.
        rejected: One row per sample without embedding, REJECTED_SCHEMA.
    """

    embeddings: np.ndarray
    metadata: pl.DataFrame
    rejected: pl.DataFrame


def fingerprint(chunk: Chunk, weights: dict[str, torch.Tensor], model: str) -> str:
    """Return a hash of what the embeddings of a chunk depend on: its shards and the model."""
    digest = hashlib.sha256(model.encode())
    for name, tensor in sorted(weights.items()):
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
    network: torch.nn.Module,
    preprocess: Preprocess,
    device: torch.device,
    batch_size: int,
    workers: int,
    progress: Callable[[int], object],
) -> Embedded:
    """Embed the images of one shard in the order of its tar.

    Raises:
        InputError: The tar does not hold as many samples as its manifest says.
    """
    blocks, kept, rejected = [], [], []
    for samples, pixels in shard_batches(shard.path, preprocess, batch_size, workers):
        if len(pixels):
            with autocast(device):
                features = network.encode_image(pixels.to(device, non_blocking=True))  # type: ignore[operator]
            blocks.append(features.float().cpu().numpy())
        kept += [sample for sample in samples if sample.reason is None]
        rejected += [sample for sample in samples if sample.reason is not None]
        progress(len(samples))
    if len(kept) + len(rejected) != shard.samples:
        raise InputError(
            f"{shard.path} holds {len(kept) + len(rejected)} samples, its chunk.json says "
            f"{shard.samples}: the shard changed or is damaged; delete its chunk and fetch it again"
        )
    return Embedded(
        _stack(blocks), _frame(kept, METADATA_SCHEMA), _frame(rejected, REJECTED_SCHEMA)
    )


def _stack(blocks: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(blocks) if blocks else np.empty((0, 0), dtype=np.float32)


def _frame(samples: list[Sample], schema: dict[str, type[pl.DataType]]) -> pl.DataFrame:
    rows = [{key: asdict(sample)[key] for key in schema} for sample in samples]
    return pl.DataFrame(rows, schema=schema)


def embed_chunk(
    chunk: Chunk,
    embed: Callable[[Shard, Callable[[int], object]], Embedded],
    state: Path,
) -> Embedded:
    """Embed all shards of a chunk; finished ones are taken from ``state``.

    Args:
        chunk: The chunk.
        embed: Embeds one shard and reports the number of samples done.
        state: Folder of finished shards, see gapmatch.resumption.
    """
    parts = []
    with tqdm(total=chunk.samples, unit="img", mininterval=5, desc=f"embed {chunk.chunk}") as bar:
        for number, shard in enumerate(chunk.shards):
            stem = state / f"{number:05d}"
            # Written last, so that its existence says that the shard is whole.
            done = stem.with_suffix(".rejected.parquet")
            if done.exists():
                bar.update(shard.samples)
            else:
                write_shard(embed(shard, bar.update), stem)
            parts.append(_read_shard(stem))
    blocks = [part.embeddings for part in parts if len(part.embeddings)]
    if not blocks:
        raise InputError(f"chunk {chunk.chunk} of {chunk.dataset} holds no image that can be read")
    return Embedded(
        np.concatenate(blocks),
        pl.concat([part.metadata for part in parts]),
        pl.concat([part.rejected for part in parts]),
    )


def write_shard(embedded: Embedded, stem: Path) -> None:
    """Write the three files of a finished shard, each atomically, the marker last."""
    write_embeddings(stem.with_suffix(".npy"), embedded.embeddings)
    write_parquet(stem.with_suffix(".metadata.parquet"), embedded.metadata)
    write_parquet(stem.with_suffix(".rejected.parquet"), embedded.rejected)


def _read_shard(stem: Path) -> Embedded:
    return Embedded(
        np.load(stem.with_suffix(".npy"), allow_pickle=False),
        pl.read_parquet(stem.with_suffix(".metadata.parquet")),
        pl.read_parquet(stem.with_suffix(".rejected.parquet")),
    )
