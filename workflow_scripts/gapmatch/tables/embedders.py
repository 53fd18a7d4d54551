"""What an embedder tells of test images: the class of the nearest reference image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.data.chunks import TEST_CHUNK, Chunk, read_chunk
from gapmatch.data.embedding_files import metadata_path
from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import bootstrap_interval
from gapmatch.results.table_files import read_csv, write_table
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns

if TYPE_CHECKING:
    from gapmatch.config.results import Results

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


def tabulate(
    *,
    searched: list[tuple[str, str]],
    data: Path,
    embeddings: Path,
    similarity: Path,
    reference_chunks: list[str],
    out: Path,
) -> None:
    """Write the table of embedders: how often the nearest reference image has the right class.

    Args:
        searched: Embedders and test sets, in the order of the table.
        data: Folder with DATASET/CHUNK.
        embeddings: Folder with EMBEDDER/DATASET/metadata.
        similarity: Folder with EMBEDDER/TEST_SET.
        reference_chunks: Ids of the reference's chunks.
        out: Path of the table without suffix.
    """
    described = read_chunk(data / "reference" / reference_chunks[0])
    rows = []
    for embedder, test_set in searched:
        folder = embeddings / embedder
        reference = pl.concat(
            read_columns(metadata_path(folder / "reference", chunk), ["label"])
            .with_row_index("row")
            .select(pl.lit(chunk).alias("chunk"), pl.col("row").cast(pl.Int32), "label")
            for chunk in reference_chunks
        )
        neighbours = read_columns(
            similarity / embedder / test_set / "reference_neighbours.parquet",
            ["test_row", "rank", "chunk", "row"],
        )
        rows.append(
            row_of(
                embedder,
                test_set,
                read_columns(metadata_path(folder / test_set, TEST_CHUNK), ["label"])["label"],
                reference["label"],
                nearest_labels(neighbours, reference),
                same_classes(read_chunk(data / test_set / TEST_CHUNK), described),
            )
        )
    write_table(embedder_table(rows), out, TABLE.caption, percent_columns=FRACTIONS)


def needs(results: Results, _: str) -> Needs:
    """Return what was searched: all test sets with the search's embedder, and what subsets need."""
    study = results.study
    searched = [(results.embedder, test_set) for test_set in results.classified]
    searched += [
        (study.subset_embedder(name), test_set)
        for name in results.subsets
        for test_set in study.subset_test_sets(name)
        if test_set in results.classified
    ]
    searched = list(dict.fromkeys(searched))
    return Needs(
        inputs=[
            *[results.reference_neighbours(*pair) for pair in searched],
            *[
                path
                for embedder, test_set in searched
                for dataset in (test_set, "reference")
                for path in results.embeddings(embedder, dataset)
            ],
            *[
                path
                for dataset in ("reference", *results.classified)
                for path in results.data(dataset)
            ],
        ],
        arguments={
            "searched": searched,
            "data": f"{results.root}/data",
            "embeddings": f"{results.root}/embeddings",
            "similarity": f"{results.root}/similarity",
        },
        settings={"reference_chunks": results.reference_chunks},
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    place=60,
    caption=(
        "How often the nearest reference image of a test image has its class, for each embedder "
        "that was searched: whether what it calls near has the right class. Only the n test "
        "images whose class the reference holds count; bounds are those of the 95 % bootstrap "
        "interval over them. Chance is what one and the same neighbour would reach for all of "
        "them: the share of their most frequent class. What an embedder near chance takes for "
        "similar shares something else than the class, such as the style: then pruning by it "
        "removes a style rather than a class."
    ),
)
