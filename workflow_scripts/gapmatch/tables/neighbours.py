"""Test images and their nearest neighbours in the pool and the reference, as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.data.chunks import TEST_CHUNK
from gapmatch.results.neighbour_files import NeighbourFiles, neighbour_files
from gapmatch.results.pictures import ImageFiles, with_pictures
from gapmatch.results.shown import Needs, Table
from gapmatch.running.atomic import write_parquet

if TYPE_CHECKING:
    from gapmatch.config.results import Results

SCHEMA = {
    "test_row": pl.Int32,
    "dataset": pl.String,
    "rank": pl.Int32,
    "similarity": pl.Float64,
    "chunk": pl.String,
    "row": pl.Int32,
    "shard": pl.String,
    "image_path": pl.String,
    "caption": pl.String,
    "class_name": pl.String,
    "nearer": pl.Boolean,
    "test_images": pl.Int64,
}


def choose_images(labels: pl.Series, count: int, seed: int) -> list[int]:
    """Choose test rows, as many different classes as possible; ascending.

    Args:
        labels: (test images,) class of each row; null where unknown.
        count: How many; fewer come back when there are fewer images.
        seed: Seed of the choice.
    """
    generator = np.random.default_rng(seed)
    shuffled = generator.permutation(len(labels))
    classes = labels.to_list()
    seen: dict[object, int] = {}
    rounds = []
    for row in shuffled:  # the k-th image of a class comes in round k
        seen[classes[row]] = seen.get(classes[row], -1) + 1
        rounds.append(seen[classes[row]])
    order = np.argsort(rounds, kind="stable")
    return sorted(int(row) for row in shuffled[order[:count]])


def neighbour_table(
    test_rows: Sequence[int],
    test_images: int,
    neighbours: Mapping[str, pl.DataFrame],
    sources: Mapping[str, ImageFiles],
    count: int,
) -> pl.DataFrame:
    """What the figure shows: one row per picture.

    Args:
        test_rows: Rows of the test set to show.
        test_images: How many the test set has.
        neighbours: pool_neighbours and reference_neighbours by "pool" and "reference".
        sources: "test", "pool" and "reference".
        count: Neighbours to show of each.

    Returns:
        SCHEMA: dataset is test, pool or reference; rank is 0 and similarity null for the test
        image; nearer is a pool image nearer than the reference's nearest: what gap matching prunes.
    """
    tests = pl.DataFrame(
        {
            "test_row": test_rows, "rank": 0, "similarity": None, "chunk": TEST_CHUNK,
            "row": test_rows,
        },
        schema={
            "test_row": pl.Int32, "rank": pl.Int32, "similarity": pl.Float64, "chunk": pl.String,
            "row": pl.Int32,
        },
    )  # fmt: skip
    parts = [_named("test", sources["test"].look_up(tests))]
    for dataset, table in neighbours.items():
        chosen = table.filter(pl.col("test_row").is_in(test_rows), pl.col("rank") <= count)
        rows = sources[dataset].look_up(chosen.select(tests.columns))
        parts.append(_named(dataset, rows))
    threshold = neighbours["reference"].filter(pl.col("rank") == 1)
    limit = threshold.select("test_row", pl.col("similarity").alias("limit"))
    order = pl.col("dataset").cast(pl.Enum(["test", "pool", "reference"]))
    nearer = (pl.col("dataset") == "pool") & (pl.col("similarity") > pl.col("limit"))
    return (
        pl.concat(parts)
        .join(limit, on="test_row", how="left", maintain_order="left")
        .with_columns(nearer.fill_null(False).alias("nearer"))
        .drop("limit")
        .sort("test_row", order, "rank")
        .with_columns(pl.lit(test_images, pl.Int64).alias("test_images"))
        .select(*SCHEMA)
    )


def _named(dataset: str, rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select("test_row", pl.lit(dataset).alias("dataset"), pl.exclude("test_row"))


def sampled_neighbours(
    files: NeighbourFiles, images: int, neighbours: int, seed: int
) -> tuple[pl.DataFrame, dict[str, ImageFiles]]:
    """Return ``neighbour_table`` of a sample of a test set, and where its images are.

    Args:
        files: Neighbours, and where their images are.
        images: Test images to show.
        neighbours: Neighbours to show of each.
        seed: Seed of the choice of test images.
    """
    sources, labels = files.sources(), files.labels()
    chosen = choose_images(labels, images, seed)
    table = neighbour_table(chosen, len(labels), files.neighbours(), sources, neighbours)
    return table, sources


def tabulate(*, files: NeighbourFiles, images: int, neighbours: int, seed: int, out: Path) -> None:
    """Collect test images and their nearest neighbours in the pool and the reference, as pictures.

    Args:
        files: Neighbours, and where their images are.
        images: Test images to show.
        neighbours: Neighbours to show of each.
        seed: Seed of the choice of test images.
        out: Path of the table without suffix.
    """
    table, sources = sampled_neighbours(files, images, neighbours, seed)
    write_parquet(out.with_name(f"{out.name}.parquet"), with_pictures(table, sources))


def needs(results: Results, test_set: str) -> Needs:
    """Return the neighbours of a test set, and the images of all datasets."""
    figures = results.study.figures
    inputs, arguments = neighbour_files(results, test_set)
    return Needs(
        inputs=inputs,
        arguments=arguments,
        settings={
            "images": figures.examples,
            "neighbours": figures.neighbours,
            "seed": figures.seed,
        },
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    each="test_set",
    items=lambda results: results.test_sets,
    suffixes=("parquet",),
)
