"""Retrieval of every model: captions by images, and images by captions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.evaluate import metrics
from gapmatch.results.evaluations import Evaluation, by_test_set, evaluations_of
from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import percentile_interval
from gapmatch.results.table_files import percent, read_csv, write_table
from gapmatch.tables.accuracy import CHANCE

if TYPE_CHECKING:
    from gapmatch.config.results import Results

SCHEMA = {
    "training_set": pl.String,
    "seed": pl.Int64,
    "test_set": pl.String,
    "n": pl.Int64,
    "captions": pl.Int64,
    "direction": pl.String,
    "k": pl.Int64,
    "recall": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "chance": pl.Float64,
}


def retrieval_table(evaluations: Sequence[Evaluation]) -> pl.DataFrame:
    """One row per model seed, test set, direction and k, with the columns of ``SCHEMA``.

    low and high bound the 95 % bootstrap interval over images, whose captions are drawn together:
    they are no independent queries. chance is what guessing reaches.
    """
    rows = []
    for test_set, models in by_test_set(evaluations).items():
        images = [one.images for one in models]
        captions = metrics.captions_of(images[0])
        for direction, k in product(metrics.DIRECTIONS, metrics.RECALLS):
            recalls = metrics.values(f"{direction}_{k}", images)
            replicates = metrics.replicates(f"{direction}_{k}", images)
            for one, recall, drawn in zip(models, recalls.tolist(), replicates.T, strict=True):
                low, high = percentile_interval(drawn)
                rows.append(
                    {
                        "training_set": one.training_set,
                        "seed": one.seed,
                        "test_set": test_set,
                        "n": len(one.images),
                        "captions": int(captions.sum()),
                        "direction": direction,
                        "k": k,
                        "recall": recall,
                        "low": low,
                        "high": high,
                        "chance": _chance(captions, direction, k),
                    }
                )
    return pl.DataFrame(rows, schema=SCHEMA)


def _chance(captions: metrics.Counts, direction: str, k: int) -> float:
    """Return the recall of a random order: for an image, that one of its captions is among k."""
    images, total = len(captions), int(captions.sum())
    if direction == "text_to_image":
        return min(1.0, k / images)
    places = np.arange(min(k, total))
    missed = np.prod(
        np.clip((total - captions[:, None] - places) / (total - places), 0, None), axis=1
    )
    return float(1 - missed.mean())


def read_retrieval(path: Path) -> pl.DataFrame:
    """Read the CSV of ``retrieval_table``.

    Raises:
        InputError: The file is missing or has other columns.
    """
    return read_csv(path, SCHEMA)


def first_recalls(table: pl.DataFrame) -> pl.DataFrame:
    """Return recall at 1, means over seeds.

    Returns:
        training_set, test_set, direction, n, recall, low, high, chance; in the order of the table.
    """
    return (
        table.filter(k=1)
        .group_by("training_set", "test_set", "direction", maintain_order=True)
        .agg(pl.col("n").first(), pl.col("recall", "low", "high").mean(), pl.col("chance").first())
    )


def shown_matrix(table: pl.DataFrame) -> pl.DataFrame:
    """Training sets x test set and direction, recall at 1, 5 and 10 in percent, for people."""
    cells: dict[str, dict[str, str]] = {}
    chance: dict[str, str] = {}
    keys = ("training_set", "test_set", "direction", "n", "captions")
    for key, group in table.group_by(keys, maintain_order=True):
        name, test_set, direction, n, captions = key
        head = f"{test_set}, {str(direction).replace('_', ' ')} (n = {n:,}; {captions:,} captions)"
        numbers = pl.col("recall", "low", "high").mean()
        means = group.group_by("k", maintain_order=True).agg(numbers)
        texts = [
            f"{percent(row['recall'])} ({percent(row['low'])}\N{EN DASH}{percent(row['high'])})"
            for row in means.iter_rows(named=True)
        ]
        cells.setdefault(str(name), {})[head] = " / ".join(texts)
        chances = group.group_by("k", maintain_order=True).agg(pl.col("chance").first())
        chance[head] = " / ".join(map(percent, chances["chance"]))
    cells[CHANCE] = chance
    heads = list(chance)
    columns: dict[str, list[str]] = {"training set": list(cells)}
    for head in heads:
        columns[head] = [row.get(head, "") for row in cells.values()]
    return pl.DataFrame(columns)


def tabulate(*, evaluations: Path, models: list[str], test_sets: list[str], out: Path) -> None:
    """Write the table of retrieval: a CSV row per seed, direction and k; Markdown over seeds.

    Args:
        evaluations: Folder with MODEL/TEST_SET.json and the parquet beside each.
        models: Folders below it, such as baseline/seed0, in the order of the table.
        test_sets: Their test sets with captions, in the order of the table.
        out: Path of the table without suffix.
    """
    table = retrieval_table(evaluations_of(evaluations, models, test_sets))
    write_table(table, out, TABLE.caption, shown=shown_matrix(table))


def needs(results: Results, _: str) -> Needs:
    """Return the retrievals of all CLIP models."""
    models = results.models(results.subsets)
    return Needs(
        inputs=results.evaluated(models, results.retrieved),
        arguments={
            "evaluations": results.evaluations,
            "models": models,
            "test_sets": results.retrieved,
        },
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    items=lambda results: [""] if results.retrieved else [],
    place=25,
    caption=(
        "Zero-shot retrieval in percent: recall at 1 / 5 / 10. Image to text: an image of the test "
        "set is found if one of its captions is among the first K of all captions; text to image: "
        "a caption, if its image is. In parentheses the 95 % percentile bootstrap interval over "
        "the n images, whose captions are drawn together; for several seeds, recall and bounds are "
        "averaged over seeds. Chance is that of a random order. The CSV beside this table has one "
        "row per seed."
    ),
)
