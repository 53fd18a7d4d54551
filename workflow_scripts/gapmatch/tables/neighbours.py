"""Test images and their nearest neighbours in the pool and the reference, as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.data.chunks import TEST_CHUNK
from gapmatch.results.pictures import ImageFiles, with_pictures
from gapmatch.results.shown import Needs, Table
from gapmatch.running.atomic import write_parquet
from gapmatch.running.result_files import read_columns

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
COLUMNS = ("test_row", "rank", "similarity", "chunk", "row")


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


def tabulate(
    *,
    test_chunks: list[Path],
    test_metadata: list[Path],
    pool_chunks: list[Path],
    pool_metadata: list[Path],
    pool_neighbours: Path,
    reference_chunks: list[Path],
    reference_metadata: list[Path],
    reference_neighbours: Path,
    images: int,
    neighbours: int,
    seed: int,
    out: Path,
) -> None:
    """Collect test images and their nearest neighbours in the pool and the reference, as pictures.

    Args:
        test_chunks: chunk.json of the test set; its shards lie beside it.
        test_metadata: Its metadata.
        pool_chunks: chunk.json of each chunk of the pool.
        pool_metadata: Metadata of each.
        pool_neighbours: Nearest pool images of each test image.
        reference_chunks: chunk.json of each chunk of the reference.
        reference_metadata: Metadata of each.
        reference_neighbours: Nearest reference images of each test image.
        images: Test images to show.
        neighbours: Neighbours to show of each.
        seed: Seed of the choice of test images.
        out: Path of the table without suffix.
    """
    sources = {
        "test": ImageFiles(test_chunks, test_metadata),
        "pool": ImageFiles(pool_chunks, pool_metadata),
        "reference": ImageFiles(reference_chunks, reference_metadata),
    }
    found = {
        "pool": read_columns(pool_neighbours, COLUMNS),
        "reference": read_columns(reference_neighbours, COLUMNS),
    }
    labels = read_columns(test_metadata[0], ["class_name"])["class_name"]
    chosen = choose_images(labels, images, seed)
    table = neighbour_table(chosen, len(labels), found, sources, neighbours)
    write_parquet(out.with_name(f"{out.name}.parquet"), with_pictures(table, sources))


def needs(results: Results, test_set: str) -> Needs:
    """Return the neighbours of a test set, and the images of all datasets."""
    figures = results.study.figures
    names = {"test": test_set, "pool": "pool", "reference": "reference"}
    chunks = {f"{kind}_chunks": results.chunk_files(name) for kind, name in names.items()}
    metadata = {f"{kind}_metadata": results.metadata(name) for kind, name in names.items()}
    neighbours = {
        "pool_neighbours": results.pool_neighbours(results.embedder, test_set),
        "reference_neighbours": results.reference_neighbours(results.embedder, test_set),
    }
    return Needs(
        inputs=[
            *[path for name in names.values() for path in results.data(name)],
            *[path for paths in metadata.values() for path in paths],
            *neighbours.values(),
        ],
        arguments={**chunks, **metadata, **neighbours},
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
