"""Pictures of what gap matching pruned, for the audit and its figure."""

from collections.abc import Mapping

import polars as pl

from gapmatch.data.chunks import TEST_CHUNK
from gapmatch.results.pictures import TEXT_COLUMNS, ImageFiles, with_pictures

PLACES_SCHEMA = {
    "test_set": pl.String,
    "test_class": pl.String,
    "pruned": pl.Int64,
    "dataset": pl.String,
    "rank": pl.Int32,
    "similarity": pl.Float64,
    "margin": pl.Float64,
    "chunk": pl.String,
    "row": pl.Int32,
}
PICTURES_SCHEMA = PLACES_SCHEMA | dict.fromkeys(TEXT_COLUMNS, pl.String)
CLASS = ["test_set", "test_class"]


def choose_classes(counts: pl.DataFrame, examples: pl.DataFrame, classes: int) -> pl.DataFrame:
    """Return the examples of the classes of which most was pruned, each behind its test image.

    Args:
        counts: Of ``audit``.
        examples: Of ``audit``.
        classes: How many to show.

    Returns:
        PLACES_SCHEMA: dataset is "pool" and rank 1, 2, ... for pruned samples, the test set's
        name and 0 for the image that the first of them resembles.
    """
    most = counts.filter(pl.col("pruned") > 0).sort(-pl.col("pruned"), *CLASS).head(classes)
    chosen = most.select(*CLASS, "pruned").join(examples, on=CLASS, maintain_order="left_right")
    rank = pl.int_range(1, pl.len() + 1, dtype=pl.Int32).over(CLASS)
    pool = chosen.with_columns(pl.lit("pool").alias("dataset"), rank.alias("rank"))
    tests = pool.filter(pl.col("rank") == 1).with_columns(
        pl.col("test_set").alias("dataset"),
        pl.lit(0, pl.Int32).alias("rank"),
        pl.lit(TEST_CHUNK).alias("chunk"),
        pl.col("test_row").alias("row"),
        pl.lit(None, pl.Float64).alias("similarity"),
        pl.lit(None, pl.Float64).alias("margin"),
    )
    return pl.concat([tests, pool]).select(*PLACES_SCHEMA)


def add_pictures(places: pl.DataFrame, sources: Mapping[str, ImageFiles]) -> pl.DataFrame:
    """Add texts and thumbnails to what ``choose_classes`` returns.

    Args:
        places: PLACES_SCHEMA.
        sources: Of "pool" and of each test set.

    Returns:
        PICTURES_SCHEMA and the column ``pictures.PICTURE``, class by class.
    """
    parts = [
        source.look_up(places.filter(pl.col("dataset") == dataset)).select(
            pl.col(name).cast(kind) for name, kind in PICTURES_SCHEMA.items()
        )
        for dataset, source in sources.items()
        if dataset in places["dataset"]
    ]
    named = pl.concat(parts) if parts else pl.DataFrame(schema=PICTURES_SCHEMA)
    return with_pictures(named.sort(-pl.col("pruned"), *CLASS, "rank"), sources)
