"""Trials of a study: from what its search found, and unlike images for the obvious ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gapmatch.data.chunks import TEST_CHUNK
from gapmatch.data.embedding_files import (
    EmbeddedChunk,
    Float32,
    Samples,
    embedded_chunks,
    open_chunks,
    read_metadata,
)
from gapmatch.human_check.trials import (
    NEIGHBOURS,
    OBVIOUS_TRIALS,
    arrange,
    choose_main,
    even_shares,
)
from gapmatch.running.atomic import write_parquet
from gapmatch.running.result_files import read_columns

LOOKED_AT = 64
"""Reference images of which the least similar one is the wrong side of an obvious trial."""
OBVIOUS_STREAM = 1
"""Separates the seeds of the obvious trials from those of the main ones, which lack it."""


def nearest(folder: Path) -> pl.DataFrame:
    """Return the nearest pool and reference image of each image of a test set.

    Args:
        folder: similarity/EMBEDDER/TEST_SET.

    Returns:
        The columns ``NEIGHBOURS``.
    """
    sides = []
    for side in ("pool", "reference"):
        columns = ["test_row", "rank", "similarity", "chunk", "row"]
        table = read_columns(folder / f"{side}_neighbours.parquet", columns)
        names = {name: f"{side}_{name}" for name in ("similarity", "chunk", "row")}
        sides.append(table.filter(pl.col("rank") == 1).drop("rank").rename(names))
    return sides[0].join(sides[1], on="test_row", maintain_order="left").select(NEIGHBOURS)


class Labelled:
    """The images of a dataset: their vectors, and what is known of their classes.

    Attributes:
        vectors: The vectors.
        classes: (images,) names of classes, object; None where an image has none.
    """

    def __init__(self, folder: Path, chunks: Sequence[str]) -> None:
        """Open the embeddings of a dataset.

        Args:
            folder: embeddings/EMBEDDER/DATASET.
            chunks: Its chunk ids.
        """
        self.chunks: list[EmbeddedChunk] = embedded_chunks(folder, chunks)
        opened = open_chunks(self.chunks)
        self.vectors = Samples(opened)
        names = [
            read_metadata(chunk, ["class_name"], len(vectors))["class_name"]
            for chunk, vectors in zip(self.chunks, opened, strict=True)
        ]
        self.classes = np.array(pl.concat(names).to_list(), dtype=object)

    def __len__(self) -> int:
        return len(self.vectors)

    def take(self, samples: NDArray[np.int64]) -> Float32:
        """Return the vectors of samples, float32."""
        return np.asarray(self.vectors.take(samples), dtype=np.float32)

    def place(self, sample: int) -> tuple[str, int]:
        """Return chunk and row of a sample."""
        chunk = int(np.searchsorted(self.vectors.starts, sample, side="right")) - 1
        return self.chunks[chunk].chunk, sample - int(self.vectors.starts[chunk])


def unlike(
    tests: Labelled, row: int, reference: Labelled, generator: np.random.Generator
) -> tuple[int, float]:
    """Return a reference image of another class that does not resemble a test image.

    Returns:
        Its place in the reference, and its similarity.
    """
    others = np.flatnonzero(reference.classes != tests.classes[row])
    if not others.size:
        others = np.arange(len(reference))
    looked_at = generator.choice(others, min(LOOKED_AT, others.size), replace=False)
    similarity = reference.take(looked_at) @ tests.take(np.array([row]))[0]
    least = int(np.argmin(similarity))
    return int(looked_at[least]), float(similarity[least])


def choose_obvious(
    embeddings: Path, test_sets: Sequence[str], reference_chunks: Sequence[str], seed: int
) -> pl.DataFrame:
    """Choose trials that everybody gets right: the test image beside an unlike image.

    Args:
        embeddings: Folder embeddings/EMBEDDER.
        test_sets: Names.
        reference_chunks: Chunk ids of the reference.
        seed: Of the choice.

    Returns:
        The columns of ``trials.choose_main``, without pool image.
    """
    reference = Labelled(embeddings / "reference", reference_chunks)
    opened = {name: Labelled(embeddings / name, [TEST_CHUNK]) for name in sorted(test_sets)}
    rows = []
    shares = even_shares(OBVIOUS_TRIALS, [len(one) for one in opened.values()])
    for (name, tests), share in zip(opened.items(), shares, strict=True):
        generator = np.random.default_rng([seed, OBVIOUS_STREAM, *name.encode()])
        for row in generator.choice(len(tests), share, replace=False).tolist():
            sample, similarity = unlike(tests, row, reference, generator)
            chunk, place = reference.place(sample)
            rows.append((row, None, None, chunk, place, None, similarity, name))
    schema = {
        "test_row": pl.Int32, "pool_chunk": pl.String, "pool_row": pl.Int32,
        "reference_chunk": pl.String, "reference_row": pl.Int32,
        "pool_similarity": pl.Float64, "reference_similarity": pl.Float64, "test_set": pl.String,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")


def choose_trials(
    *,
    study: str,
    similarity: Path,
    embeddings: Path,
    test_sets: list[str],
    reference_chunks: list[str],
    trials: int,
    seed: int,
    out: Path,
) -> None:
    """Choose the trials of the human check, from what the search found.

    Args:
        study: Name of the study.
        similarity: Folder similarity/EMBEDDER.
        embeddings: Folder embeddings/EMBEDDER.
        test_sets: Names.
        reference_chunks: Chunk ids of the reference.
        trials: Main trials; fewer come out where the test sets have fewer images.
        seed: Of the choice, order and sides.
        out: Output: the trials (.parquet).
    """
    main = choose_main({name: nearest(similarity / name) for name in test_sets}, trials, seed)
    obvious = choose_obvious(embeddings, test_sets, reference_chunks, seed)
    write_parquet(out, arrange(study, main, obvious, seed))
