"""What test sets share with pool and reference: near duplicates of their images, and classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.data.chunks import read_chunk
from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import bootstrap_interval
from gapmatch.results.summaries import read_nearest
from gapmatch.results.table_files import write_table
from gapmatch.tables.accuracy import with_interval

if TYPE_CHECKING:
    from gapmatch.config.results import Results

SIDES = ("pool", "reference")


def count_test_duplicates(nearest: pl.DataFrame, threshold: float) -> pl.DataFrame:
    """Count, per test set, the images whose nearest neighbour is more similar than a threshold.

    Args:
        nearest: nearest.parquet of the subset that keeps the whole pool.
        threshold: Cosine similarity.

    Returns:
        test_set, n, threshold, then for pool and reference: the fraction of test images with a
        duplicate there and the bounds of its 95 % bootstrap interval over test images.
    """
    rows = []
    for (test_set,), images in nearest.group_by("test_set", maintain_order=True):
        row: dict[str, object] = {"test_set": test_set, "n": len(images), "threshold": threshold}
        for side in SIDES:
            duplicate = (images[f"{side}_similarity"] > threshold).fill_null(False).to_numpy()
            low, high = bootstrap_interval(duplicate)
            row |= {side: float(duplicate.mean()), f"{side}_low": low, f"{side}_high": high}
        rows.append(row)
    return pl.DataFrame(rows)


def count_shared_classes(
    classes: Mapping[str, Sequence[str]], reference: Sequence[str]
) -> pl.DataFrame:
    """Count, per test set, its classes and those of them that the reference has too, by name.

    Case and underscores make no difference; synonyms do.

    Args:
        classes: Class names by test set; none of images with captions.
        reference: The reference's.

    Returns:
        test_set, classes, shared_classes: null for images with captions.
    """
    known = set(map(_plain, reference))
    rows = [
        {
            "test_set": test_set,
            "classes": len(names) or None,
            "shared_classes": len(known & set(map(_plain, names))) if names else None,
        }
        for test_set, names in classes.items()
    ]
    schema = {"test_set": pl.String, "classes": pl.Int64, "shared_classes": pl.Int64}
    return pl.DataFrame(rows, schema=schema)


def _plain(name: str) -> str:
    return " ".join(name.replace("_", " ").casefold().split())


def shown(table: pl.DataFrame) -> pl.DataFrame:
    """The table for people: shares in percent with their intervals, and classes of classes."""
    columns: dict[str, list[str]] = {
        "test set": table["test_set"].to_list(),
        "n": [f"{n:,}" for n in table["n"]],
    }
    for side in SIDES:
        bounds = table.select(side, f"{side}_low", f"{side}_high").iter_rows()
        columns[f"near duplicate in the {side} (%)"] = [
            with_interval(share, low, high, None) for share, low, high in bounds
        ]
    columns["classes that the reference has"] = [
        "" if shared is None else f"{shared:,} of {classes:,}"
        for shared, classes in table.select("shared_classes", "classes").iter_rows()
    ]
    return pl.DataFrame(columns)


def tabulate(
    *, nearest: Path, reference: Path, tests: list[Path], threshold: float, out: Path
) -> None:
    """Count what test sets share with pool and reference: near duplicates, and classes.

    Args:
        nearest: nearest.parquet of the whole pool.
        reference: One of the reference's chunks, for its classes.
        tests: Chunk of each test set.
        threshold: A more similar image is a duplicate.
        out: Path of the table without suffix.
    """
    chunks = [read_chunk(folder) for folder in tests]
    classes = count_shared_classes(
        {chunk.dataset: chunk.classes for chunk in chunks}, read_chunk(reference).classes
    )
    counts = count_test_duplicates(read_nearest(nearest), threshold)
    # The order is that of the study.
    table = classes.join(counts, on="test_set", maintain_order="left")
    table = table.select(*counts.columns, "classes", "shared_classes")
    write_table(table, out, TABLE.caption, shown=shown(table))


def needs(results: Results, _: str) -> Needs:
    """Return the nearest similarities before any pruning, and the classes."""
    nearest = results.nearest(results.baseline)
    threshold = results.study.figures.duplicate_similarity
    reference = results.data("reference")[0]
    tests = [folder for name in results.test_sets for folder in results.data(name)]
    return Needs(
        [nearest, reference, *tests],
        {"nearest": nearest, "reference": reference, "tests": tests},
        {"threshold": threshold},
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    place=5,
    early=True,
    paper=("fig2",),
    caption=(
        "What each test set shares with the training sets, before anything is trained: the share "
        "of its images that have a near duplicate in the pool (after deduplication) or in the "
        "reference, that is, an image more similar than the threshold in the CSV beside this table "
        "(figures.duplicate_similarity); in parentheses the 95 % percentile bootstrap interval "
        "over the n test images. The last column counts the classes of the test set that the "
        "reference has too, by name; synonyms do not count."
    ),
)
