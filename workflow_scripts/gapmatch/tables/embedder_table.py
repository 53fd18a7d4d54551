"""What an embedder tells of test images: the class of the nearest reference image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from gapmatch.data.chunks import Chunk
from gapmatch.running.errors import InputError
from gapmatch.tables.statistics import bootstrap_interval
from gapmatch.tables.tables import read_csv

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


def same_classes(test: Chunk, reference: Chunk) -> list[frozenset[int]]:
    """Return which labels of the reference are the class of each label of a test set.

    They are told by ImageNet's numbers where both data sets are ImageNet's, else by name.

    Raises:
        InputError: One of them names no classes.
    """
    for chunk in (test, reference):
        if not chunk.classes:
            raise InputError(f"{chunk.dataset} names no classes; expected a labelled dataset")
    numbered = test.imagenet_indices and reference.imagenet_indices
    own: Sequence[Sequence[object]] = (
        test.imagenet_indices if numbered else [(name,) for name in test.classes]
    )
    others: Sequence[Sequence[object]] = (
        reference.imagenet_indices if numbered else [(name,) for name in reference.classes]
    )
    labels: dict[object, set[int]] = {}
    for label, identities in enumerate(others):
        for identity in identities:
            labels.setdefault(identity, set()).add(label)
    return [frozenset().union(*(labels.get(one, ()) for one in identities)) for identities in own]


def row_of(
    embedder: str,
    test_set: str,
    tests: pl.Series,
    reference: pl.Series,
    nearest: pl.Series,
    same: Sequence[frozenset[int]],
) -> dict[str, object]:
    """Return how often the nearest reference image has the test image's class.

    Only test images count whose class the reference holds. Chance is what naming the most frequent
    class of these test images reaches, as a neighbour does that is the same for all of them.

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
    held = set(reference.unique())
    known = np.array([not held.isdisjoint(same[label]) for label in tests], dtype=np.bool_)
    right = np.array([found in same[label] for label, found in zip(tests, nearest, strict=True)])
    values: tuple[float | None, ...] = (None,) * len(FRACTIONS)
    if known.any():
        low, high = bootstrap_interval(right[known])
        chance = float(np.bincount(tests.to_numpy()[known]).max() / known.sum())
        values = (float(right[known].mean()), low, high, chance)
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
