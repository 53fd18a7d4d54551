"""Table 1: training sets, their sizes and their accuracies, beside published ones where known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.results.shown import Needs, Table
from gapmatch.results.table_files import read_csv, write_table
from gapmatch.running.errors import InputError
from gapmatch.tables.accuracy import described, over_seeds, read_accuracy, with_interval
from gapmatch.tables.subsets import TrainingSet, read_training_sets

if TYPE_CHECKING:
    from gapmatch.config.results import Results

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
        training_set, size, test_set, metric, seeds, n, score, score_low, score_high, spread,
        published, source (null where nothing was published).
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
            "training_set", "size", "test_set", "metric", "seeds", "n", "score", "score_low",
            "score_high", "spread", "published", "source",
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
        columns[described(str(test_set), rows["n"][0], rows["metric"][0])] = ours
        if rows["published"].count():
            columns[f"{test_set}, published"] = [
                published_cell(cells.get(name, {}).get("published")) for name in names
            ]
    return pl.DataFrame(columns)


def _cell(row: dict[str, float]) -> str:
    return with_interval(row["score"], row["score_low"], row["score_high"], row["spread"])


def published_cell(fraction: float | None) -> str:
    """Return a fraction as percent with the digits that were published; empty for None."""
    return "" if fraction is None else f"{100 * fraction:.4g}"


def tabulate(*, accuracy: Path, subsets: Path, published: Path | None = None, out: Path) -> None:
    """Write Table 1: training sets, sizes, accuracies, and published accuracies beside them.

    Args:
        accuracy: CSV of the table of accuracies.
        subsets: CSV of the table of subsets.
        published: CSV of published accuracies.
        out: Path of the table without suffix.
    """
    known = read_published(published) if published else pl.DataFrame(schema=PUBLISHED_SCHEMA)
    table = headline_table(read_accuracy(accuracy), read_training_sets(subsets), known)
    caption = TABLE.caption
    if sources := table["source"].drop_nulls().unique(maintain_order=True).to_list():
        caption = f"{caption} Published: {'; '.join(sources)}."
    write_table(table, out, caption, shown=shown(table))


def needs(results: Results, _: str) -> Needs:
    """Return the tables of accuracies and subsets, and what was published."""
    tables = {"accuracy": results.table("accuracy"), "subsets": results.table("subsets")}
    published = results.study.figures.published
    return Needs(
        inputs=[*tables.values(), *([str(published)] if published else [])],
        arguments={**tables, "published": published},
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    place=10,
    paper=("table1",),
    caption=(
        "Training sets, the number of images in them, and zero-shot accuracy in percent on each "
        "test set with its n images: top-1, where no other metric is named. In parentheses the 95 "
        "% percentile bootstrap interval over test images; for several seeds, accuracy and bounds "
        "are averaged over seeds and the number after the plus-minus sign is the standard "
        "deviation over seeds. Columns of published values hold what could be verified, and "
        "nothing else."
    ),
)
