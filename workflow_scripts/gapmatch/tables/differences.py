"""Differences between training sets, judged on the same images of a test set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import paired_bootstrap, percentile_interval
from gapmatch.results.summaries import Evaluation, evaluations_of
from gapmatch.results.table_files import read_csv, write_table
from gapmatch.running.errors import InputError

if TYPE_CHECKING:
    from gapmatch.config.results import Results

SCHEMA = {
    "training_set": pl.String,
    "test_set": pl.String,
    "difference": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "distinguishable": pl.Boolean,
    "n": pl.Int64,
    "seeds": pl.Int64,
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
        difference: Its accuracy minus the baseline's, means over seeds, fractions.
        low: Lower bound of its 95 % interval (paired bootstrap over images, and over seeds).
        high: Upper bound.
        distinguishable: Whether the interval leaves out zero.
        n: Images.
        seeds: Models of the training set.
        remains: Of what the baseline has above the reference alone, the share that the training
            set has too; None where the two are not distinguishable, or are what is compared.
        remains_low: Lower bound of its 95 % interval.
        remains_high: Upper bound.
    """

    training_set: str
    test_set: str
    difference: float
    low: float
    high: float
    distinguishable: bool
    n: int
    seeds: int
    remains: float | None
    remains_low: float | None
    remains_high: float | None

    @property
    def identical(self) -> bool:
        """Whether the models are right on the same images: then there is no interval to tell."""
        return self.low == self.high == 0

    @property
    def text(self) -> str:
        """The difference in points with its interval, for people."""
        if self.identical:
            return "none: right on the same images"
        interval = f"{signed(self.low)} to {signed(self.high)}"
        told = f"{signed(self.difference)} ({interval})"
        return told if self.distinguishable else f"{told}, not distinguishable"


def signed(fraction: float) -> str:
    """A difference of fractions in points with one decimal and its sign: 0.5021 is "+50.2"."""
    return f"{100 * fraction:+.1f}"


def differences(
    evaluations: Sequence[Evaluation], baseline: str, alone: str | None
) -> list[Difference]:
    """Compare each training set with the baseline on each test set.

    Args:
        evaluations: One per model and test set.
        baseline: Name of the baseline.
        alone: Name of the training set that is the reference alone; None where there is none.

    Raises:
        InputError: The baseline was not evaluated, or models of one test set saw other images.
    """
    rows = []
    for test_set in dict.fromkeys(one.test_set for one in evaluations):
        correct = _by_training_set(evaluations, test_set)
        if baseline not in correct:
            raise InputError(f"{baseline}, the baseline, was not evaluated on {test_set}")
        gains = False
        if alone in correct and alone is not None:
            reference = _compared(correct, alone, test_set, baseline)
            gains = reference.high < 0
        for name in correct:
            if name != baseline:
                shared = alone if gains and name != alone else None
                rows.append(_compared(correct, name, test_set, baseline, shared))
    return rows


def _by_training_set(
    evaluations: Sequence[Evaluation], test_set: str
) -> dict[str, NDArray[np.bool_]]:
    """Return whether each image was right, (images, seeds), of each training set."""
    models: dict[str, list[NDArray[np.bool_]]] = {}
    rows: pl.Series | None = None
    for one in evaluations:
        if one.test_set != test_set:
            continue
        if rows is not None and not one.images["test_row"].equals(rows):
            raise InputError(
                f"{one.training_set}, seed {one.seed}, was evaluated on other images of "
                f"{test_set} than the models before it: evaluate all again"
            )
        rows = one.images["test_row"]
        correct = one.images["correct_top1"].to_numpy().astype(np.bool_)
        models.setdefault(one.training_set, []).append(correct)
    return {name: np.column_stack(columns) for name, columns in models.items()}


def _compared(
    correct: dict[str, NDArray[np.bool_]],
    name: str,
    test_set: str,
    baseline: str,
    alone: str | None = None,
) -> Difference:
    """Compare a training set with the baseline; with ``alone``, by what it shares of the gain."""
    compared = [baseline, name, *([alone] if alone else [])]
    means = [float(correct[one].mean()) for one in compared]
    replicates = paired_bootstrap([correct[one] for one in compared])
    low, high = percentile_interval(replicates[:, 1] - replicates[:, 0])
    share: tuple[float | None, float | None, float | None] = (None, None, None)
    if alone:
        gain = replicates[:, 0] - replicates[:, 2]
        # A replicate without gain has no share; where the gain is distinguishable they are few.
        kept = (replicates[:, 1] - replicates[:, 2])[gain > 0] / gain[gain > 0]
        share = ((means[1] - means[2]) / (means[0] - means[2]), *percentile_interval(kept))
    return Difference(
        name,
        test_set,
        means[1] - means[0],
        low,
        high,
        low > 0 or high < 0,
        len(correct[name]),
        correct[name].shape[1],
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
    for test_set in dict.fromkeys(row.test_set for row in rows):
        here = {row.training_set: row for row in rows if row.test_set == test_set}
        n = next(iter(here.values())).n
        columns[f"{test_set} (n = {n:,})"] = [
            here[name].text if name in here else "" for name in names
        ]
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def tabulate(
    *,
    evaluations: Path,
    models: list[str],
    test_sets: list[str],
    baseline: str,
    reference_only: str | None = None,
    out: Path,
) -> None:
    """Write the table of differences to the baseline, judged on the same images.

    Args:
        evaluations: Folder with MODEL/TEST_SET.json and the parquet beside each.
        models: Folders below it, such as baseline/seed0, in the order of the table.
        test_sets: Their test sets, in the order of the table.
        baseline: Training set to compare with.
        reference_only: Training set that is the reference alone.
        out: Path of the table without suffix.
    """
    rows = differences(evaluations_of(evaluations, models, test_sets), baseline, reference_only)
    write_table(differences_table(rows), out, TABLE.caption, shown=shown(rows))


def needs(results: Results, _: str) -> Needs:
    """Return the evaluations of all models."""
    models = results.models(results.subsets)
    figures = results.study.figures
    return Needs(
        inputs=results.evaluated(models),
        arguments={
            "evaluations": results.evaluations,
            "models": models,
            "test_sets": results.classified,
        },
        settings={"baseline": figures.baseline, "reference_only": figures.reference_only},
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    place=30,
    caption=(
        "Top-1 accuracy of each training set minus that of the baseline, in points, on the same "
        "images. In parentheses the 95 % interval of a paired bootstrap: images are drawn with "
        "replacement, the same for both training sets, and of each training set its seeds. A "
        "difference whose interval holds zero is not distinguishable from none. With one seed the "
        "interval tells nothing about what another seed would give. No correction is made for the "
        "number of comparisons: of twenty without any difference, one is expected to look "
        "distinguishable. The CSV beside this table has n, seeds, and the share of the baseline's "
        "gain over the reference alone that remains, with its interval."
    ),
)
