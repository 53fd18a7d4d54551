"""The accuracy table: one row per model seed and test set, and its mean over seeds."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.evaluate import metrics
from gapmatch.evaluate.average_precision import chance_precision
from gapmatch.results.evaluations import Evaluation, by_test_set, evaluations_of, read_evaluations
from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import bootstrap_interval, mean_and_spread, percentile_interval
from gapmatch.results.table_files import percent, read_csv, write_table
from gapmatch.running.errors import InputError

if TYPE_CHECKING:
    from gapmatch.config.results import Results

BOUNDS = ("", "_low", "_high")
METRICS = (metrics.TOP1, metrics.TOP5, metrics.PER_CLASS, metrics.PRECISION)
COLUMNS = {
    "training_set": pl.String,
    "seed": pl.Int64,
    "test_set": pl.String,
    "n": pl.Int64,
    "metric": pl.String,
    **{f"{name}{bound}": pl.Float64 for name in ("score", *METRICS) for bound in BOUNDS},
    "chance": pl.Float64,
    "one_class": pl.Float64,
}
CHANCE = "(chance)"
"""The row of chance in the tables for people; no training set has brackets in its name."""


def accuracy_table(
    evaluations: Sequence[Evaluation], per_class: Collection[str] = ()
) -> pl.DataFrame:
    """One row per model seed and test set, with the columns of ``COLUMNS`` (fractions).

    score is what the test set is judged by: the metric that the row names. NAME_low and NAME_high
    bound the 95 % bootstrap interval over test images; what a test set does not have is null.
    chance is the score without looking at the images: of naming the most frequent class for each
    (top1), of naming one class for all (mean_per_class), or of a random order of the images
    (mean_average_precision). one_class is the share of images for which the model gives its most
    frequent answer. Training sets and test sets keep the order in which they first occur; seeds
    ascend.

    Args:
        evaluations: Of images with classes.
        per_class: Test sets that are judged by the mean accuracy of their classes.
    """
    names = list(dict.fromkeys(evaluation.training_set for evaluation in evaluations))
    rows = []
    for test_set, models in by_test_set(evaluations).items():
        metric = metrics.headline(models[0].images, test_set in per_class)
        for one, measured in zip(models, _measured([one.images for one in models]), strict=True):
            rows.append(
                {
                    "training_set": one.training_set,
                    "seed": one.seed,
                    "test_set": test_set,
                    "n": len(one.images),
                    "metric": metric,
                    **{f"score{bound}": measured[f"{metric}{bound}"] for bound in BOUNDS},
                    **measured,
                    **_beside(one.images, metric),
                }
            )
    # Sorting is stable: test sets stay in their order.
    rows.sort(key=lambda row: names.index(str(row["training_set"])))
    table = pl.DataFrame(rows, schema=COLUMNS)
    return pl.concat(
        group.sort("seed")
        for _, group in table.group_by("training_set", "test_set", maintain_order=True)
    )


def _measured(models: Sequence[pl.DataFrame]) -> list[dict[str, float]]:
    """Return all metrics of each model on one test set, with their bounds."""
    names = METRICS[-1:] if metrics.is_multilabel(models[0]) else METRICS[:-1]
    measured: list[dict[str, float]] = [{} for _ in models]
    for name in names:
        values = metrics.values(name, models)
        if name in (metrics.TOP1, metrics.TOP5):
            bounds = [bootstrap_interval(one[f"correct_{name}"].to_numpy()) for one in models]
        else:
            bounds = [percentile_interval(drawn) for drawn in metrics.replicates(name, models).T]
        for one, value, (low, high) in zip(measured, values.tolist(), bounds, strict=True):
            one |= {name: value, f"{name}_low": low, f"{name}_high": high}
    return measured


def _beside(images: pl.DataFrame, metric: str) -> dict[str, float | None]:
    """Return chance, and the share of a model's most frequent answer."""
    if metric == metrics.PRECISION:
        shown = images["labels"].explode().drop_nulls().value_counts()["count"]
        chances = chance_precision(shown.to_numpy().astype(np.int64), len(images))
        return {"chance": float(chances.mean()), "one_class": None}
    labels = np.bincount(images["label"].to_numpy())
    answers = np.bincount(images["predicted"].to_numpy())
    per_class = 1 / np.count_nonzero(labels)
    chance = per_class if metric == metrics.PER_CLASS else labels.max() / len(images)
    return {"chance": float(chance), "one_class": float(answers.max() / len(images))}


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
        mean, spread = mean_and_spread(group["score"].to_numpy())
        rows.append(
            {
                "training_set": key[0],
                "test_set": key[1],
                "metric": group["metric"][0],
                "seeds": group.height,
                "n": group["n"][0],
                "score": mean,
                "score_low": group["score_low"].mean(),
                "score_high": group["score_high"].mean(),
                "spread": None if np.isnan(spread) else spread,
                "chance": group["chance"][0],
                "one_class": group["one_class"].mean(),
            }
        )
    schema = {
        **dict.fromkeys(("training_set", "test_set", "metric"), pl.String),
        **dict.fromkeys(("seeds", "n"), pl.Int64),
    }
    fractions = dict.fromkeys(
        ("score", "score_low", "score_high", "spread", "chance", "one_class"), pl.Float64
    )
    return pl.DataFrame(rows, schema={**schema, **fractions})


def near_chance(accuracy: pl.DataFrame) -> dict[str, list[str]]:
    """Return, by test set, the training sets whose accuracy is not surely above chance."""
    means = over_seeds(accuracy).filter(pl.col("score_low") <= pl.col("chance"))
    near: dict[str, list[str]] = {}
    for row in means.iter_rows(named=True):
        near.setdefault(row["test_set"], []).append(row["training_set"])
    return near


def described(test_set: str, n: int, metric: str) -> str:
    """A test set with its number of images, and what it is judged by if not by top-1 accuracy."""
    named = "" if metric == metrics.TOP1 else f", {metrics.NAMES[metric]}"
    return f"{test_set} (n = {n:,}{named})"


def with_interval(score: float, low: float, high: float, spread: float | None) -> str:
    """An accuracy as percent: "50.2 (48.0-52.4)", and "+-0.6" over seeds where known."""
    text = f"{percent(score)} ({percent(low)}\N{EN DASH}{percent(high)})"
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
    """Training sets x test sets, scores in percent with intervals as text, for people to read.

    Heads are the test sets with their number of images, e.g. "sketch (n = 1,390)"; the last row is
    chance.
    """
    tests = accuracy["test_set"].unique(maintain_order=True).to_list()
    heads = {
        test: described(test, n, metric)
        for test, n, metric in accuracy.select("test_set", "n", "metric").iter_rows()
    }
    cells: dict[str, dict[str, str]] = {}
    for row in over_seeds(accuracy).iter_rows(named=True):
        text = with_interval(row["score"], row["score_low"], row["score_high"], row["spread"])
        cells.setdefault(row["training_set"], {})[row["test_set"]] = text
    cells[CHANCE] = {
        test: percent(chance) for test, chance in accuracy.select("test_set", "chance").iter_rows()
    }
    columns = {"training set": list(cells)}
    for test in tests:
        columns[heads[test]] = [cell.get(test, "") for cell in cells.values()]
    return pl.DataFrame(columns)


def tabulate(
    *,
    evaluations: Path,
    models: list[str],
    test_sets: list[str],
    classifiers: list[str] | None = None,
    per_class: list[str] | None = None,
    out: Path,
) -> None:
    """Write the table of accuracies: one CSV row per model seed, Markdown and LaTeX over seeds.

    Args:
        evaluations: Folder with MODEL/TEST_SET.json and the parquet beside each.
        models: Folders below it, such as baseline/seed0, in the order of the table.
        test_sets: Their test sets, in the order of the table.
        classifiers: Further evaluations, of classifiers, such as resnet/pretrained/val.
        per_class: Those that are judged by the mean accuracy of their classes.
        out: Path of the table without suffix.
    """
    found = evaluations_of(evaluations, models, test_sets)
    found += read_evaluations([evaluations / f"{name}.json" for name in classifiers or ()])
    table = accuracy_table(found, per_class or ())
    write_table(table, out, TABLE.caption, shown=accuracy_matrix(table))


def needs(results: Results, _: str) -> Needs:
    """Return the evaluations of all models and classifiers."""
    models, classifiers = results.models(results.subsets), results.classifiers()
    return Needs(
        inputs=[
            *results.evaluated(models),
            *(f"{results.evaluations}/{name}.json" for name in classifiers),
            *(f"{results.evaluations}/{name}.parquet" for name in classifiers),
        ],
        arguments={
            "evaluations": results.evaluations,
            "models": models,
            "test_sets": results.labelled,
            "classifiers": classifiers,
        },
        settings={"per_class": results.per_class},
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    place=20,
    caption=(
        "Accuracy in percent of each training set on each test set, among the test set's classes: "
        "top-1, or what the head of the column names (mean per class: the mean of the classes' "
        "accuracies; mAP: the mean over classes of the average precision, for images with several "
        "classes); zero-shot for CLIP models; the last rows are the supervised classifiers, where "
        "the study names some. In parentheses the 95 % percentile bootstrap interval over test "
        "images; for several seeds, accuracy and bounds are averaged over seeds and the number "
        "after the plus-minus sign is the standard deviation over seeds. Chance is the accuracy of "
        "always naming the most frequent class (mean per class: one over the number of classes; "
        "mAP: that of a random order). The CSV beside this table has one row per seed, with n and "
        "all metrics of the test set with their intervals."
    ),
)
