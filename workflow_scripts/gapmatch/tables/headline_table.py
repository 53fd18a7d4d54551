"""Table 1: training sets, their sizes and their accuracies, beside published ones where known."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from gapmatch.running.errors import InputError
from gapmatch.tables.accuracy import over_seeds, with_interval
from gapmatch.tables.subset_table import TrainingSet
from gapmatch.tables.tables import read_csv

PUBLISHED_SCHEMA = {
    "training_set": pl.String,
    "test_set": pl.String,
    "top1": pl.Float64,
    "source": pl.String,
}


def read_published(path: Path) -> pl.DataFrame:
    """Read published accuracies: PUBLISHED_SCHEMA, top1 as a fraction.

    Raises:
        InputError: The file is no such CSV, or an accuracy is no fraction.
    """
    published = read_csv(path, PUBLISHED_SCHEMA)
    if not published["top1"].is_between(0, 1).all():
        raise InputError(f"{path}: top1 must be fractions between 0 and 1")
    return published


def headline_table(
    accuracy: pl.DataFrame, subsets: Sequence[TrainingSet], published: pl.DataFrame
) -> pl.DataFrame:
    """One row per training set and test set, in the order of both.

    Returns:
        training_set, size, test_set, seeds, n, top1, top1_low, top1_high, spread, published,
        source (null where nothing was published).
    """
    sizes = pl.DataFrame(
        {"training_set": [one.subset for one in subsets], "size": [one.size for one in subsets]},
        schema={"training_set": pl.String, "size": pl.Int64},
    )
    named = published.rename({"top1": "published"})
    return (
        over_seeds(accuracy)
        .join(sizes, on="training_set", how="left", maintain_order="left")
        .join(named, on=["training_set", "test_set"], how="left", maintain_order="left")
        .select(
            "training_set", "size", "test_set", "seeds", "n", "top1", "top1_low", "top1_high",
            "spread", "published", "source",
        )
    )  # fmt: skip


def shown(table: pl.DataFrame) -> pl.DataFrame:
    """Training sets x test sets as text, each test set with a column of published values if any."""
    names = table["training_set"].unique(maintain_order=True).to_list()
    sizes = dict(table.select("training_set", "size").iter_rows())
    columns: dict[str, list[str]] = {
        "training set": names,
        "size": ["" if sizes[name] is None else f"{sizes[name]:,}" for name in names],
    }
    for (test_set,), rows in table.group_by("test_set", maintain_order=True):
        cells = {row["training_set"]: row for row in rows.iter_rows(named=True)}
        ours = [_cell(cells[name]) if name in cells else "" for name in names]
        columns[f"{test_set} (n = {rows['n'][0]:,})"] = ours
        if rows["published"].count():
            columns[f"{test_set}, published"] = [
                published_cell(cells.get(name, {}).get("published")) for name in names
            ]
    return pl.DataFrame(columns)


def _cell(row: dict[str, float]) -> str:
    return with_interval(row["top1"], row["top1_low"], row["top1_high"], row["spread"])


def published_cell(fraction: float | None) -> str:
    """Return a fraction as percent with the digits that were published; empty for None."""
    return "" if fraction is None else f"{100 * fraction:.4g}"
