"""What an embedder tells of test images: the class of the nearest reference image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from gapmatch.chunks import Chunk
from gapmatch.errors import InputError
from gapmatch.statistics import bootstrap_interval
from gapmatch.tables import read_csv

SCHEMA = {
    "embedder": pl.String,
    "test_set": pl.String,
    "n": pl.Int64,
    "images": pl.Int64,
    "right_class": pl.Float64,
    "right_class_low": pl.Float64,
    "right_class_high": pl.Float64,
    "chance": pl.Float64,
}
FRACTIONS = ("right_class", "right_class_low", "right_class_high", "chance")


def same_classes(test: Chunk, reference: Chunk) -> npt.NDArray[np.bool_]:
    """Return which classes of a test set are which of the reference's.

    They are told by ImageNet's numbers where both data sets are ImageNet's, else by name.

    Returns:
        (classes of the test set, classes of the reference).

    Raises:
        InputError: One of them names no classes.
    """
    for chunk in (test, reference):
        if not chunk.classes:
            raise InputError(f"{chunk.dataset} names no classes; expected a labelled dataset")
    if test.imagenet_indices and reference.imagenet_indices:
        known = [set(indices) for indices in reference.imagenet_indices]
        rows = [[not one.isdisjoint(indices) for one in known] for indices in test.imagenet_indices]
    else:
        rows = [[name == other for other in reference.classes] for name in test.classes]
    return np.array(rows, dtype=np.bool_)


def row_of(
    embedder: str,
    test_set: str,
    tests: pl.Series,
    reference: pl.Series,
    nearest: pl.Series,
    same: npt.NDArray[np.bool_],
) -> dict[str, object]:
    """Return how often the nearest reference image has the test image's class.

    Only test images count whose class the reference holds. Chance is what a random reference image
    would reach: the mean over these test images of their class's share of the reference.

    Args:
        embedder: Name of the embedder.
        test_set: Name of the test set.
        tests: Labels of the test images.
        reference: Labels of the reference images.
        nearest: Label of each test image's nearest reference image.
        same: ``same_classes``.

    Returns:
        A row of ``SCHEMA``; fractions, null where no class is shared. The interval is the 95 %
        bootstrap interval over test images.
    """
    shares = np.bincount(reference.to_numpy(), minlength=same.shape[1]) / len(reference)
    held = (same @ shares)[tests.to_numpy()]
    known = held > 0
    right = same[tests.to_numpy()[known], nearest.to_numpy()[known]]
    low, high = bootstrap_interval(right)
    values = (
        (float(right.mean()), low, high, float(held[known].mean())) if known.any() else [None] * 4
    )
    return {
        "embedder": embedder,
        "test_set": test_set,
        "n": int(known.sum()),
        "images": len(tests),
        **dict(zip(FRACTIONS, values, strict=True)),
    }


def nearest_labels(neighbours: pl.DataFrame, reference: pl.DataFrame) -> pl.Series:
    """Return the label of each test image's nearest reference image.

    Args:
        neighbours: reference_neighbours.parquet.
        reference: chunk, row and label of all reference images.

    Raises:
        InputError: A neighbour is no image of the reference.
    """
    nearest = neighbours.filter(pl.col("rank") == 1).sort("test_row")
    found = nearest.join(reference, on=["chunk", "row"], how="left", maintain_order="left")
    if found["label"].null_count():
        raise InputError("neighbours that are no images of the reference: search it again")
    return found["label"]


def embedder_table(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    """One row per embedder and test set, columns of ``SCHEMA``, fractions."""
    return pl.DataFrame(rows, schema=SCHEMA)


def read_embedder_table(path: Path) -> pl.DataFrame:
    """Read the CSV of ``embedder_table``.

    Raises:
        InputError: The file is missing or has other columns.
    """
    return read_csv(path, SCHEMA)
