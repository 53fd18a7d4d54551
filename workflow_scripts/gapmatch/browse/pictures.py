"""The pictures to browse: a sample of a test set with its neighbours, as sheets of thumbnails."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl
from PIL import Image, ImageOps

from gapmatch.results.neighbour_files import NeighbourFiles
from gapmatch.running.atomic import atomic_directory, write_parquet
from gapmatch.tables.neighbours import sampled_neighbours

SIDE = 112
"""Pixels of a thumbnail."""
ROWS = 25
"""Test images on a sheet: the page shows as many at a time."""
QUALITY = 75
DATASETS = ("test", "pool", "reference")


def by_margin(table: pl.DataFrame) -> pl.DataFrame:
    """Sort test images by how much nearer the nearest pool image is than the reference's.

    Args:
        table: ``neighbours.neighbour_table``.

    Returns:
        The same rows and columns; test images in falling order of the margin, and what belongs to
        one of them as it was.
    """
    nearest = table.filter(rank=1).select("test_row", "dataset", "similarity")
    margins = (
        nearest.pivot("dataset", ["pool", "reference"], index="test_row", values="similarity")
        .with_columns((pl.col("pool") - pl.col("reference")).alias("margin"))
        .sort("margin", "test_row", descending=[True, False])
        .select("test_row", pl.int_range(pl.len()).alias("place"))
    )
    joined = table.join(margins, on="test_row", how="left", maintain_order="left")
    return joined.sort("place", maintain_order=True, nulls_last=True).drop("place")


def sheets(
    table: pl.DataFrame, images: Mapping[tuple[str, str, int], Image.Image], neighbours: int
) -> Iterator[Image.Image]:
    """Yield sheets: a row for each test image, itself first, then its neighbours by rank.

    Args:
        table: ``by_margin``.
        images: Thumbnails of at most SIDE pixels by (dataset, chunk, row).
        neighbours: Neighbours in the pool, and as many in the reference.

    Yields:
        RGB, (1 + 2 neighbours) x SIDE wide and at most ROWS x SIDE high; white where there is none.
    """
    first = {"test": 0, "pool": 0, "reference": neighbours}
    order = table["test_row"].unique(maintain_order=True).to_list()
    for start in range(0, len(order), ROWS):
        shown = {row: place for place, row in enumerate(order[start : start + ROWS])}
        sheet = Image.new("RGB", ((1 + 2 * neighbours) * SIDE, len(shown) * SIDE), "white")
        for row in table.filter(pl.col("test_row").is_in(list(shown))).iter_rows(named=True):
            # Small pictures are enlarged: all are to be seen.
            image = ImageOps.contain(images[row["dataset"], row["chunk"], row["row"]], (SIDE, SIDE))
            left = (first[row["dataset"]] + row["rank"]) * SIDE + (SIDE - image.width) // 2
            top = shown[row["test_row"]] * SIDE + (SIDE - image.height) // 2
            sheet.paste(image, (left, top))
        yield sheet


def browse_pictures(
    *,
    files: NeighbourFiles,
    images: int,
    neighbours: int,
    seed: int,
    sheets_folder: Path,
    out: Path,
) -> None:
    """Write sheets of thumbnails of a sample of a test set and its neighbours, and what they show.

    Args:
        files: Neighbours, and where their images are.
        images: Test images to show.
        neighbours: Neighbours to show of each.
        seed: Seed of the choice of test images.
        sheets_folder: Folder to write the sheets to.
        out: Table to write (.parquet).
    """
    found, sources = sampled_neighbours(files, images, neighbours, seed)
    table = by_margin(found)
    read = {
        (dataset, *place): image
        for dataset in DATASETS
        for place, image in sources[dataset].read(table.filter(dataset=dataset), SIDE).items()
    }
    with atomic_directory(sheets_folder) as folder:
        for number, sheet in enumerate(sheets(table, read, neighbours)):
            sheet.save(folder / f"{number:03d}.jpg", quality=QUALITY, optimize=True)
    write_parquet(out, table)
