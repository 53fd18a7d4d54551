"""How similar an embedder finds the images of trials; no other image is embedded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from gapmatch.data.embedding_files import normalised as as_stored
from gapmatch.embed.batch_encoder import BatchEncoder
from gapmatch.embed.encoder_settings import EncoderSettings
from gapmatch.human_check.trial_images import TrialImages, look_up, places, read_trials
from gapmatch.human_check.trials import MAIN, POOL, REFERENCE, TEST
from gapmatch.models.image_encoders import ImageEncoder
from gapmatch.results.pictures import ImageFiles
from gapmatch.running.atomic import write_parquet
from gapmatch.running.errors import InputError
from gapmatch.similarity.normalising import normalised

Place: TypeAlias = tuple[str, str, int]
"""Dataset, chunk and row of an image."""


def contents(found: pl.DataFrame, files: Mapping[str, ImageFiles]) -> Iterator[tuple[Place, bytes]]:
    """Yield the images of ``trial_images.places``, each once, and their files' content."""
    for dataset, table in look_up(found, files).items():
        for (chunk, row), content in files[dataset].contents(table):
            yield (dataset, chunk, row), content


def embed(
    images: Iterable[tuple[Place, bytes]], encoder: ImageEncoder, batch_size: int
) -> dict[Place, NDArray[np.float64]]:
    """Embed images as the workflow embeds datasets.

    Args:
        images: Their places and files' content.
        encoder: The model.
        batch_size: Images at a time.

    Returns:
        (dim,) of each image, of length 1, after rounding to float16 as in files of embeddings.

    Raises:
        InputError: An image cannot be decoded, or has no finite features.
    """
    batches = BatchEncoder(encoder, batch_size)
    vectors: dict[Place, NDArray[np.float64]] = {}
    left = iter(images)
    while batch := list(islice(left, batch_size)):
        batches.add(torch.stack([_pixels(encoder, *one) for one in batch]))
        features = batches.fetch(batches.encode())
        stored = as_stored(features, f"the features of {encoder.name}")
        unit = normalised(stored).numpy().astype(np.float64)
        vectors |= {place: vector for (place, _), vector in zip(batch, unit, strict=True)}
    return vectors


def _pixels(encoder: ImageEncoder, place: Place, content: bytes) -> torch.Tensor:
    try:
        return encoder.preprocessing.read(content).pixels
    except ValueError as error:
        dataset, chunk, row = place
        raise InputError(f"{dataset}, chunk {chunk}, row {row}: {error}") from error


def similarities(found: pl.DataFrame, vectors: Mapping[Place, NDArray[np.float64]]) -> pl.DataFrame:
    """Return cosine similarities of test images to the images at their sides.

    Args:
        found: Of ``trial_images.places``.
        vectors: (dim,) of length 1, by place.

    Returns:
        trial, pool_similarity and reference_similarity (float64), in the order of the trials.
    """
    parts: dict[str, dict[str, NDArray[np.float64]]] = {}
    for trial, part, *place in found.iter_rows():
        parts.setdefault(trial, {})[part] = vectors[tuple(place)]
    rows = [
        (trial, float(one[TEST] @ one[POOL]), float(one[TEST] @ one[REFERENCE]))
        for trial, one in parts.items()
    ]
    columns = ["trial", "pool_similarity", "reference_similarity"]
    return pl.DataFrame(rows, schema=columns, orient="row")


def embed_trials(
    *, images: TrialImages, encoder: EncoderSettings, batch_size: int = 256, out: Path
) -> None:
    """Embed the images of the main trials with a model, and tell how similar it finds them.

    Args:
        images: The trials.
        encoder: The model.
        batch_size: Images per batch.
        out: Output: the similarities (.parquet).
    """
    found = places(read_trials(images.trials).filter(kind=MAIN))
    vectors = embed(contents(found, images.files()), encoder.load(), batch_size)
    write_parquet(out, similarities(found, vectors))
