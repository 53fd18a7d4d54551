"""What pruning towards images of retrieval costs retrieval, and what it costs classification."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.evaluate.metrics import DIRECTIONS
from gapmatch.results.shown import Needs, Table
from gapmatch.results.table_files import write_table
from gapmatch.tables.accuracy import described
from gapmatch.tables.differences import COMPARED, Difference, read_differences
from gapmatch.tables.subsets import TrainingSet, read_training_sets

if TYPE_CHECKING:
    from gapmatch.config.results import Results

SCHEMA = {
    "training_set": pl.String,
    "pruned": pl.Int64,
    "task": pl.String,
    **COMPARED,
}
RETRIEVAL, CLASSIFICATION = "retrieval", "classification"


def compared_subsets(
    subsets: Sequence[TrainingSet], retrieved: Collection[str]
) -> list[TrainingSet]:
    """Return the subsets that images of retrieval alone steer, and random ones of equal size."""
    steered = [one for one in subsets if one.test_sets and set(one.test_sets) <= set(retrieved)]
    sizes = {one.kept for one in steered}
    return [
        one for one in subsets if one in steered or (one.method == "random" and one.kept in sizes)
    ]


def cost_table(
    differences: Sequence[Difference], subsets: Sequence[TrainingSet], retrieved: Collection[str]
) -> pl.DataFrame:
    """One row per subset and score: its difference from the baseline, columns of ``SCHEMA``.

    Args:
        differences: From the baseline, of all training sets.
        subsets: The table of subsets.
        retrieved: The test sets with captions.
    """
    rows = [
        {
            "training_set": subset.subset,
            "pruned": subset.pruned,
            "task": RETRIEVAL if row.metric.startswith(DIRECTIONS) else CLASSIFICATION,
            **{name: value for name, value in vars(row).items() if name in SCHEMA},
        }
        for subset in compared_subsets(subsets, retrieved)
        for row in differences
        if row.training_set == subset.subset
    ]
    return pl.DataFrame(rows, schema=SCHEMA).sort("task", descending=True, maintain_order=True)


def shown(table: pl.DataFrame, differences: Sequence[Difference]) -> pl.DataFrame:
    """Scores x subsets as text, in points: first of retrieval, then of classification."""
    texts = {(row.training_set, row.test_set, row.metric): row.text for row in differences}
    scores = table.unique(("test_set", "metric"), maintain_order=True)
    keys = list(scores.select("test_set", "n", "metric").iter_rows())
    columns = {"task": scores["task"].to_list(), "score": [described(*key) for key in keys]}
    subsets = table.unique("training_set", maintain_order=True)
    for name, pruned in subsets.select("training_set", "pruned").iter_rows():
        column = [texts.get((name, test_set, metric), "") for test_set, _, metric in keys]
        columns[f"{name} ({pruned:,} pruned)"] = column
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def tabulate(*, differences: Path, subsets: Path, test_sets: list[str], out: Path) -> None:
    """Write what pruning towards images of retrieval costs retrieval and classification.

    Args:
        differences: CSV of the table of differences.
        subsets: CSV of the table of subsets.
        test_sets: The test sets with captions.
        out: Path of the table without suffix.
    """
    known = read_differences(differences)
    table = cost_table(known, read_training_sets(subsets), test_sets)
    write_table(table, out, TABLE.caption, shown=shown(table, known))


def is_steered(results: Results) -> bool:
    """Return whether images of retrieval alone steer a subset."""
    tests = [set(results.study.subset_test_sets(name)) for name in results.subsets]
    return any(names and names <= set(results.retrieved) for names in tests)


def needs(results: Results, _: str) -> Needs:
    """Return the tables of differences and of subsets."""
    tables = {"differences": results.table("differences"), "subsets": results.table("subsets")}
    return Needs(inputs=list(tables.values()), arguments={**tables, "test_sets": results.retrieved})


TABLE = Table(
    make=tabulate,
    needs=needs,
    items=lambda results: [""] if is_steered(results) else [],
    place=35,
    caption=(
        "What pruning for test sets with captions costs retrieval and classification. Each column "
        "is a subset that only test sets with captions steer, or a random subset of the same size. "
        "Cells are its difference from the baseline in points; below zero is worse. Retrieval is "
        "recall at 1, classification top-1 accuracy where no other metric is named; n is the "
        "number of test images. In parentheses the 95 % interval of a paired bootstrap over images "
        "and seeds."
    ),
)
