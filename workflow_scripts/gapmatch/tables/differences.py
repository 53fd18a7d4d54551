"""Differences between training sets, judged on the same images of a test set."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from gapmatch.results.evaluations import Evaluation, by_test_set, evaluations_of
from gapmatch.results.judging import Judged, judge, metrics_of
from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import percentile_interval
from gapmatch.results.table_files import read_csv, write_table
from gapmatch.running.errors import InputError
from gapmatch.tables.accuracy import described, over_seeds, read_accuracy
from gapmatch.tables.retrieval import first_recalls, read_retrieval

if TYPE_CHECKING:
    from gapmatch.config.results import Results

Score: TypeAlias = tuple[str, str, str]
"""Training set, test set and metric."""
COMPARED = {
    "test_set": pl.String,
    "metric": pl.String,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "distinguishable": pl.Boolean,
    "at_chance": pl.Boolean,
    "n": pl.Int64,
    "seeds": pl.Int64,
}
"""Columns that tell of a difference, in this table and in those made of it."""
SCHEMA = {
    "training_set": pl.String,
    **COMPARED,
    "remains": pl.Float64,
    "remains_low": pl.Float64,
    "remains_high": pl.Float64,
}


@dataclass(frozen=True)
class Difference:
    """A row of the table: a training set against the baseline on one test set.

    Attributes:
        training_set: The training set.
        test_set: The test set.
        metric: What it is judged by.
        difference: Its score minus the baseline's, means over seeds, fractions.
        low: Lower bound of its 95 % interval (paired bootstrap over images, and over seeds).
        high: Upper bound.
        distinguishable: Whether the interval leaves out zero.
        at_chance: Whether neither it nor the baseline is surely better than chance.
        n: Images.
        seeds: Models of the training set.
        remains: Of what the baseline has above the reference alone, the share that the training
            set has too; None where the two are not distinguishable, or are what is compared.
        remains_low: Lower bound of its 95 % interval.
        remains_high: Upper bound.
    """

    training_set: str
    test_set: str
    metric: str
    difference: float
    low: float
    high: float
    distinguishable: bool
    at_chance: bool
    n: int
    seeds: int
    remains: float | None
    remains_low: float | None
    remains_high: float | None

    @property
    def identical(self) -> bool:
        """Whether the models do the same on all images: then there is no interval to tell."""
        return self.low == self.high == 0

    @property
    def text(self) -> str:
        """The difference in points with its interval, for people."""
        if self.identical:
            return "none: the same on all images"
        interval = f"{signed(self.low)} to {signed(self.high)}"
        told = f"{signed(self.difference)} ({interval})"
        if self.at_chance:
            return f"{told}, both at chance"
        return told if self.distinguishable else f"{told}, not distinguishable"


def signed(fraction: float) -> str:
    """A difference of fractions in points with one decimal and its sign: 0.5021 is "+50.2"."""
    return f"{100 * fraction:+.1f}"


def differences(
    evaluations: Sequence[Evaluation],
    baseline: str,
    alone: str | None,
    per_class: Collection[str] = (),
    near_chance: Collection[Score] = (),
) -> list[Difference]:
    """Compare each training set with the baseline by each metric of each test set.

    Args:
        evaluations: One per model and test set.
        baseline: Name of the baseline.
        alone: Name of the training set that is the reference alone; None where there is none.
        per_class: Test sets that are judged by the mean accuracy of their classes.
        near_chance: Scores that are not surely above chance.

    Raises:
        InputError: The baseline was not evaluated, or models of one test set saw other images.
    """
    rows = []
    for test_set, models in by_test_set(evaluations).items():
        if baseline not in {one.training_set for one in models}:
            raise InputError(f"{baseline}, the baseline, was not evaluated on {test_set}")
        for metric in metrics_of(models[0], test_set in per_class):
            judged = judge(models, metric)
            gains = False
            if alone is not None and alone in judged.values:
                gains = _compared(judged, alone, baseline).high < 0
            for name in judged.values:
                if name != baseline:
                    shared = alone if gains and name != alone else None
                    rows.append(_compared(judged, name, baseline, shared))
    return [replace(row, at_chance=_at_chance(row, baseline, near_chance)) for row in rows]


def _at_chance(row: Difference, baseline: str, near_chance: Collection[Score]) -> bool:
    scores = [(name, row.test_set, row.metric) for name in (row.training_set, baseline)]
    return all(score in near_chance for score in scores)


def scores_near_chance(accuracy: pl.DataFrame, recalls: pl.DataFrame | None) -> set[Score]:
    """Return the scores, means over seeds, whose interval does not lie above chance.

    Args:
        accuracy: ``accuracy.accuracy_table``.
        recalls: ``retrieval.first_recalls``; None without retrieval.
    """
    means = over_seeds(accuracy).filter(pl.col("score_low") <= pl.col("chance"))
    near = set(means.select("training_set", "test_set", "metric").iter_rows())
    if recalls is not None:
        means = recalls.filter(pl.col("low") <= pl.col("chance"))
        named = means.select("training_set", "test_set", pl.col("direction") + "_1")
        near |= set(named.iter_rows())
    return near


def _compared(judged: Judged, name: str, baseline: str, alone: str | None = None) -> Difference:
    """Compare a training set with the baseline; with ``alone``, by what it shares of the gain."""
    means = {one: float(values.mean()) for one, values in judged.values.items()}
    drawn = judged.replicates
    low, high = percentile_interval(drawn[name] - drawn[baseline])
    share: tuple[float | None, float | None, float | None] = (None, None, None)
    if alone:
        gain = drawn[baseline] - drawn[alone]
        # A replicate without gain has no share; where the gain is distinguishable they are few.
        kept = (drawn[name] - drawn[alone])[gain > 0] / gain[gain > 0]
        of_gain = (means[name] - means[alone]) / (means[baseline] - means[alone])
        share = (of_gain, *percentile_interval(kept))
    return Difference(
        name,
        judged.test_set,
        judged.metric,
        means[name] - means[baseline],
        low,
        high,
        low > 0 or high < 0,
        False,
        judged.n,
        len(judged.values[name]),
        *share,
    )


def differences_table(rows: Sequence[Difference]) -> pl.DataFrame:
    """One row per training set and test set, columns of ``SCHEMA``, fractions."""
    return pl.DataFrame([vars(row) for row in rows], schema=SCHEMA)


def read_differences(path: Path) -> list[Difference]:
    """Read the CSV of ``differences_table``.

    Raises:
        InputError: The file is missing or has other columns.
    """
    return [Difference(**row) for row in read_csv(path, SCHEMA).iter_rows(named=True)]


def shown(rows: Sequence[Difference]) -> pl.DataFrame:
    """Training sets x test sets as text, in points."""
    names = list(dict.fromkeys(row.training_set for row in rows))
    columns: dict[str, list[str]] = {"training set": names}
    for judged in dict.fromkeys((row.test_set, row.n, row.metric) for row in rows):
        here = {
            row.training_set: row for row in rows if (row.test_set, row.n, row.metric) == judged
        }
        columns[described(*judged)] = [here[name].text if name in here else "" for name in names]
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def tabulate(
    *,
    evaluations: Path,
    models: list[str],
    test_sets: list[str],
    per_class: list[str] | None = None,
    baseline: str,
    reference_only: str | None = None,
    accuracy: Path,
    retrieval: Path | None = None,
    out: Path,
) -> None:
    """Write the table of differences from the baseline, judged on the same images.

    Args:
        evaluations: Folder with MODEL/TEST_SET.json and the parquet beside each.
        models: Folders below it, such as baseline/seed0, in the order of the table.
        test_sets: Their test sets, in the order of the table.
        per_class: Those that are judged by the mean accuracy of their classes.
        baseline: Training set to compare with.
        reference_only: Training set that is the reference alone.
        accuracy: CSV of the table of accuracies.
        retrieval: CSV of the table of retrieval.
        out: Path of the table without suffix.
    """
    found = evaluations_of(evaluations, models, test_sets)
    recalls = first_recalls(read_retrieval(retrieval)) if retrieval else None
    near = scores_near_chance(read_accuracy(accuracy), recalls)
    rows = differences(found, baseline, reference_only, per_class or (), near)
    write_table(differences_table(rows), out, TABLE.caption, shown=shown(rows))


def needs(results: Results, _: str) -> Needs:
    """Return the evaluations of all models, and the tables that tell which are near chance."""
    models = results.models(results.subsets)
    figures = results.study.figures
    tables = {"accuracy": results.table("accuracy")}
    if results.retrieved:
        tables["retrieval"] = results.table("retrieval")
    return Needs(
        inputs=[*results.evaluated(models, results.test_sets), *tables.values()],
        arguments={
            **tables,
            "evaluations": results.evaluations,
            "models": models,
            "test_sets": results.test_sets,
        },
        settings={
            "baseline": figures.baseline,
            "reference_only": figures.reference_only,
            "per_class": results.per_class,
        },
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    place=30,
    caption=(
        "Accuracy of each training set minus that of the baseline, in points, on the same images: "
        "top-1, or what the head of the column names. In parentheses the 95 % interval of a paired "
        "bootstrap: images are drawn with replacement, the same for both training sets, and of "
        "each training set its seeds. A difference whose interval holds zero is not "
        "distinguishable from none; between two training sets at chance it means nothing, whatever "
        "its interval. With one seed the interval tells nothing about what another seed would "
        "give. No correction is made for the number of comparisons: of twenty without any "
        "difference, one is expected to look distinguishable. The CSV beside this table has n, "
        "seeds, and the share of the baseline's gain over the reference alone that remains, with "
        "its interval."
    ),
)
