"""The accuracy table: one row per model seed and test set, and its mean over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import bootstrap_interval, mean_and_spread
from gapmatch.results.summaries import Evaluation, evaluations_of
from gapmatch.results.table_files import percent, read_csv, write_table
from gapmatch.running.errors import InputError

if TYPE_CHECKING:
    from gapmatch.config.results import Results

COLUMNS = {
    "training_set": pl.String,
    "seed": pl.Int64,
    "test_set": pl.String,
    "n": pl.Int64,
    "top1": pl.Float64,
    "top1_low": pl.Float64,
    "top1_high": pl.Float64,
    "top5": pl.Float64,
    "mean_per_class": pl.Float64,
    "chance": pl.Float64,
    "one_class": pl.Float64,
}
CHANCE = "(chance)"
"""The row of chance in the tables for people; no training set has brackets in its name."""


def accuracy_table(evaluations: Sequence[Evaluation]) -> pl.DataFrame:
    """One row per model seed and test set, with the columns of ``COLUMNS`` (fractions).

    top1_low and top1_high bound the 95 % bootstrap interval over test images. chance is what naming
    the most frequent class for every image reaches: 1 / classes where all have as many images.
    one_class is the share of images for which the model gives its most frequent answer. Training
    sets and test sets keep the order in which they first occur; seeds ascend.
    """
    names = list(dict.fromkeys(evaluation.training_set for evaluation in evaluations))
    tests = list(dict.fromkeys(evaluation.test_set for evaluation in evaluations))
    rows = []
    for evaluation in sorted(
        evaluations,
        key=lambda one: (names.index(one.training_set), tests.index(one.test_set), one.seed),
    ):
        correct = evaluation.images["correct_top1"].to_numpy().astype(np.bool_)
        low, high = bootstrap_interval(correct)
        labels = evaluation.images["label"].to_numpy()
        predicted = evaluation.images["predicted"].to_numpy()
        rows.append(
            {
                "training_set": evaluation.training_set,
                "seed": evaluation.seed,
                "test_set": evaluation.test_set,
                "n": int(correct.size),
                "top1": float(np.mean(correct)),
                "top1_low": low,
                "top1_high": high,
                "top5": evaluation.top5,
                "mean_per_class": evaluation.mean_per_class,
                "chance": float(np.bincount(labels).max()) / correct.size,
                "one_class": float(np.bincount(predicted).max()) / correct.size,
            }
        )
    return pl.DataFrame(rows, schema=COLUMNS)


def read_accuracy(path: Path) -> pl.DataFrame:
    """Read the CSV of ``accuracy_table``.

    Raises:
        InputError: The file is missing or its columns are not those of ``COLUMNS``.
    """
    return read_csv(path, COLUMNS)


def over_seeds(accuracy: pl.DataFrame) -> pl.DataFrame:
    """Mean over seeds of each training set on each test set, in the order of the table.

    The interval is the mean of the seeds' bounds (see ``statistics.seed_interval``); spread is the
    sample standard deviation over seeds, null for one seed.
    """
    rows = []
    for key, group in accuracy.group_by("training_set", "test_set", maintain_order=True):
        mean, spread = mean_and_spread(group["top1"].to_numpy())
        rows.append(
            {
                "training_set": key[0],
                "test_set": key[1],
                "seeds": group.height,
                "n": group["n"][0],
                "top1": mean,
                "top1_low": group["top1_low"].mean(),
                "top1_high": group["top1_high"].mean(),
                "spread": None if np.isnan(spread) else spread,
                "chance": group["chance"][0],
                "one_class": group["one_class"].mean(),
            }
        )
    schema = {"training_set": pl.String, "test_set": pl.String, "seeds": pl.Int64, "n": pl.Int64}
    fractions = dict.fromkeys(
        ("top1", "top1_low", "top1_high", "spread", "chance", "one_class"), pl.Float64
    )
    return pl.DataFrame(rows, schema={**schema, **fractions})


def near_chance(accuracy: pl.DataFrame) -> dict[str, list[str]]:
    """Return, by test set, the training sets whose accuracy is not surely above chance."""
    means = over_seeds(accuracy).filter(pl.col("top1_low") <= pl.col("chance"))
    near: dict[str, list[str]] = {}
    for row in means.iter_rows(named=True):
        near.setdefault(row["test_set"], []).append(row["training_set"])
    return near


def with_interval(top1: float, low: float, high: float, spread: float | None) -> str:
    """An accuracy as percent: "50.2 (48.0-52.4)", and "+-0.6" over seeds where known."""
    text = f"{percent(top1)} ({percent(low)}\N{EN DASH}{percent(high)})"
    return text if spread is None else f"{text} \N{PLUS-MINUS SIGN}{percent(spread)}"


def select_sets(accuracy: pl.DataFrame, sets: Sequence[str] | None) -> pl.DataFrame:
    """The rows of the training sets named, in that order; all of them for None.

    Raises:
        InputError: A training set was never evaluated.
    """
    if sets is None:
        return accuracy
    known = accuracy["training_set"].unique(maintain_order=True).to_list()
    unknown = [name for name in sets if name not in known]
    if unknown:
        raise InputError(
            f"training sets {', '.join(unknown)} are not in the accuracy table; "
            f"it has {', '.join(known)}"
        )
    return pl.concat([accuracy.filter(pl.col("training_set") == name) for name in sets])


def accuracy_matrix(accuracy: pl.DataFrame) -> pl.DataFrame:
    """Training sets x test sets, top-1 percent with intervals as text, for people to read.

    Heads are the test sets with their number of images, e.g. "sketch (n = 1,390)"; the last row is
    chance.
    """
    tests = accuracy["test_set"].unique(maintain_order=True).to_list()
    images = dict(accuracy.select("test_set", "n").iter_rows())
    cells: dict[str, dict[str, str]] = {}
    for row in over_seeds(accuracy).iter_rows(named=True):
        text = with_interval(row["top1"], row["top1_low"], row["top1_high"], row["spread"])
        cells.setdefault(row["training_set"], {})[row["test_set"]] = text
    cells[CHANCE] = {
        test: percent(chance) for test, chance in accuracy.select("test_set", "chance").iter_rows()
    }
    columns = {"training set": list(cells)}
    for test in tests:
        head = f"{test} (n = {images[test]:,})"
        columns[head] = [cell.get(test, "") for cell in cells.values()]
    return pl.DataFrame(columns)


def tabulate(*, evaluations: Path, models: list[str], test_sets: list[str], out: Path) -> None:
    """Write the table of accuracies: one CSV row per model seed, Markdown and LaTeX over seeds.

    Args:
        evaluations: Folder with MODEL/TEST_SET.json and the parquet beside each.
        models: Folders below it, such as baseline/seed0, in the order of the table.
        test_sets: Their test sets, in the order of the table.
        out: Path of the table without suffix.
    """
    table = accuracy_table(evaluations_of(evaluations, models, test_sets))
    write_table(table, out, TABLE.caption, shown=accuracy_matrix(table))


def needs(results: Results, _: str) -> Needs:
    """Return the evaluations of all models and classifiers."""
    models = [*results.models(results.subsets), *results.classifiers()]
    return Needs(
        inputs=results.evaluated(models),
        arguments={
            "evaluations": results.evaluations,
            "models": models,
            "test_sets": results.classified,
        },
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    place=20,
    caption=(
        "Top-1 accuracy in percent of each training set on each test set, among the test set's "
        "classes: zero-shot for CLIP models; the last rows are the supervised classifiers, where "
        "the study names some. In parentheses the 95 % percentile bootstrap interval over test "
        "images; for several seeds, accuracy and bounds are averaged over seeds and the number "
        "after the plus-minus sign is the standard deviation over seeds. Chance is the accuracy "
        "of always naming the most frequent class. The CSV beside this table has one row per "
        "seed, with n, top-5 and mean per-class accuracy."
    ),
)
