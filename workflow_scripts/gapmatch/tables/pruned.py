"""What was pruned: samples of the pool by style and by whether their class is in the tests."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from tqdm import tqdm

from gapmatch.results.counts import classes_of
from gapmatch.results.shown import Needs, Table
from gapmatch.results.table_files import write_table
from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns
from gapmatch.subset.kept_files import kept_path

if TYPE_CHECKING:
    from gapmatch.config.results import Results

UNKNOWN = "unknown"
SCHEMA = {
    "subset": pl.String,
    "style": pl.String,
    "test_class": pl.Boolean,
    "pool": pl.Int64,
    "pruned": pl.Int64,
    "fraction": pl.Float64,
}
SENSITIVITY_SCHEMA = {
    "classes": pl.Int64,
    **{name: kind for name, kind in SCHEMA.items() if name != "subset"},
}
"""The same for one matching, with so many other classes in the reference."""


def count_pruned(
    metadata: Sequence[Path],
    kept: Mapping[str, Path],
    whole_pool: str,
    test_classes: Collection[str],
) -> pl.DataFrame:
    """Count pool samples and pruned ones by subset, style and class, chunk by chunk.

    Args:
        metadata: metadata_<chunk>.parquet of each chunk of the pool.
        kept: Folder with kept_<chunk>.parquet by subset.
        whole_pool: The subset among ``kept`` that keeps all of the pool.
        test_classes: Names of the classes in the tests.

    Returns:
        ``SCHEMA``, sorted by subset as in ``kept``, style, test_class. Samples without a style
        count as ``UNKNOWN``; test_class is null for samples without a class. ``fraction`` is
        pruned / pool.

    Raises:
        InputError: A file is missing or a kept row does not exist.
    """
    counts = []
    for path in tqdm(metadata, unit="chunk", mininterval=5):
        chunk = path.stem.removeprefix("metadata_")
        groups = read_columns(path, ["style", "class_name"]).select(
            pl.int_range(pl.len(), dtype=pl.Int32).alias("row"),
            pl.col("style").cast(pl.String).fill_null(UNKNOWN),
            pl.col("class_name").cast(pl.String).is_in(list(test_classes)).alias("test_class"),
        )
        in_pool = _kept_rows(kept[whole_pool], chunk, groups.height)
        pool = groups.filter(pl.col("row").is_in(in_pool.implode()))
        for subset, folder in kept.items():
            rows = _kept_rows(folder, chunk, groups.height)
            pruned = ~pl.col("row").is_in(rows.implode())
            count = pool.group_by("style", "test_class").agg(
                pl.len().cast(pl.Int64).alias("pool"), pruned.sum().cast(pl.Int64).alias("pruned")
            )
            counts.append(count.with_columns(pl.lit(subset).alias("subset")))
    if not counts:
        return pl.DataFrame(schema=SCHEMA)
    order = pl.col("subset").cast(pl.Enum(list(kept)))
    return (
        pl.concat(counts)
        .group_by("subset", "style", "test_class")
        .agg(pl.col("pool", "pruned").sum())
        .with_columns((pl.col("pruned") / pl.col("pool")).alias("fraction"))
        .sort(order, "style", "test_class")
        .select(list(SCHEMA))
    )


def _kept_rows(folder: Path, chunk: str, rows: int) -> pl.Series:
    path = kept_path(folder, chunk)
    kept = read_columns(path, ["row"])["row"].cast(pl.Int32)
    if (kept >= rows).any() or (kept < 0).any():
        raise InputError(f"{path}: keeps rows that chunk {chunk} of {rows} samples does not have")
    return kept


def tabulate(
    *,
    metadata: list[Path],
    kept: list[tuple[str, Path]],
    pool: str,
    test_chunks: list[Path],
    out: Path,
) -> None:
    """Write the table of what was pruned, by style and by whether the class is in the tests.

    Args:
        metadata: Metadata of each chunk of the pool.
        kept: Subsets in the order of the table, and the folder of the kept rows of each.
        pool: The subset among them that keeps the whole pool.
        test_chunks: chunk.json of each test set, which names its classes.
        out: Path of the table without suffix.
    """
    folders = dict(kept)
    if pool not in folders:
        raise InputError(f"--pool {pool}: not among --kept, which has {', '.join(folders)}")
    table = count_pruned(metadata, folders, pool, classes_of(test_chunks))
    write_table(table, out, TABLE.caption, percent_columns=("fraction",))


def needs(results: Results, _: str) -> Needs:
    """Return the kept rows of all subsets, the pool's metadata and the classes of the tests."""
    tests = results.classified
    return Needs(
        inputs=[
            *results.metadata("pool"),
            *[path for name in results.subsets for path in results.kept_files(name)],
            *[path for name in tests for path in results.data(name)],
        ],
        arguments={
            "metadata": results.metadata("pool"),
            "kept": [(name, results.kept(name)) for name in results.subsets],
            "test_chunks": [path for name in tests for path in results.chunk_files(name)],
        },
        settings={"pool": results.baseline},
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    items=lambda results: [""] if results.has_styles() else [],
    place=90,
    caption=(
        "What each subset prunes of the pool (after deduplication), by style and by whether the "
        "class of the sample occurs in any of the test sets; n is the column pool. All samples "
        "are counted, so there are no intervals."
    ),
)
