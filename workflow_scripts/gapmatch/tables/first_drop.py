"""The first certain drop: the smallest dose of gap matching that distinguishably costs accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from gapmatch.results.shown import Needs, Table
from gapmatch.results.table_files import percent, read_csv, write_table
from gapmatch.tables.accuracy import described
from gapmatch.tables.differences import COMPARED, Difference, read_differences, signed
from gapmatch.tables.subsets import TrainingSet, read_training_sets

if TYPE_CHECKING:
    from gapmatch.config.results import Results

FIXED = {"offset": "rank", "rank": "offset"}
"""What all subsets of a sweep share, by what they differ in."""
SCHEMA = {
    "sweep": pl.String,
    "matched": pl.String,
    "fixed": pl.Float64,
    "doses": pl.Int64,
    "dose": pl.Float64,
    "dose_before": pl.Float64,
    "training_set": pl.String,
    "pruned": pl.Int64,
    "pruned_fraction": pl.Float64,
    **COMPARED,
}


class Sweep(NamedTuple):
    """Gap-matched subsets that are equal but for the offset, or but for the rank.

    Attributes:
        sweep: "offset" or "rank".
        subsets: In ascending order of it.
    """

    sweep: str
    subsets: list[TrainingSet]

    @property
    def matched(self) -> str:
        """The test sets that they are matched to."""
        return ", ".join(self.subsets[0].test_sets)

    @property
    def fixed(self) -> float:
        """The rank or the offset that they share."""
        return float(getattr(self.subsets[0], FIXED[self.sweep]))

    def dose(self, subset: TrainingSet) -> float:
        """The offset or the rank of one."""
        return float(getattr(subset, self.sweep))


def sweeps(subsets: Sequence[TrainingSet]) -> list[Sweep]:
    """Return the sweeps among the gap-matched subsets that are trained with the reference."""
    groups: dict[tuple[object, ...], list[TrainingSet]] = {}
    for one in subsets:
        if one.method == "gap_match" and one.reference:
            alike = (one.test_sets, one.embedder, one.reference)
            groups.setdefault(("offset", *alike, one.rank), []).append(one)
            groups.setdefault(("rank", *alike, one.offset), []).append(one)
    return [
        Sweep(str(key[0]), sorted(group, key=attrgetter(str(key[0]))))
        for key, group in groups.items()
        if len({getattr(one, str(key[0])) for one in group}) > 1
    ]


def first_drops(differences: Sequence[Difference], subsets: Sequence[TrainingSet]) -> pl.DataFrame:
    """One row per sweep, test set that it is matched to, and score: columns of ``SCHEMA``.

    The first certain drop is that of the subset with the fewest pruned samples whose interval lies
    below zero, unless both it and the baseline are at chance. Where there is none, its columns are
    null.

    Args:
        differences: From the baseline, of all training sets.
        subsets: The table of subsets.
    """
    rows = []
    for sweep in sweeps(subsets):
        by_pruned = sorted(sweep.subsets, key=attrgetter("pruned"))
        known = {one.subset: one for one in by_pruned}
        scores = {(row.test_set, row.metric): None for row in differences}
        for test_set, metric in scores:
            of_score = {
                row.training_set: row
                for row in differences
                if (row.test_set, row.metric) == (test_set, metric) and row.training_set in known
            }
            if test_set in by_pruned[0].test_sets and of_score:
                rows.append(_first(sweep, by_pruned, of_score))
    return pl.DataFrame(rows, schema=SCHEMA)


def _first(
    sweep: Sweep, by_pruned: Sequence[TrainingSet], rows: dict[str, Difference]
) -> dict[str, object]:
    any_row = next(iter(rows.values()))
    found: dict[str, object] = {
        "sweep": sweep.sweep,
        "matched": sweep.matched,
        "fixed": sweep.fixed,
        "doses": len(rows),
        "test_set": any_row.test_set,
        "metric": any_row.metric,
        "n": any_row.n,
        "seeds": any_row.seeds,
    }
    before = None
    for subset in by_pruned:
        row = rows.get(subset.subset)
        if row is not None and row.high < 0 and not row.at_chance:
            return found | {
                "dose": sweep.dose(subset),
                "dose_before": None if before is None else sweep.dose(before),
                "training_set": subset.subset,
                "pruned": subset.pruned,
                "pruned_fraction": subset.pruned / max(subset.pool, 1),
                **{name: value for name, value in vars(row).items() if name in COMPARED},
            }
        before = subset if row is not None else before
    return found


def read_first_drops(path: Path) -> pl.DataFrame:
    """Read the CSV of ``first_drops``.

    Raises:
        InputError: The file is missing or has other columns.
    """
    return read_csv(path, SCHEMA)


def shown(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table for people."""
    rows = []
    for row in table.iter_rows(named=True):
        fixed = f"{FIXED[row['sweep']]} {row['fixed']:g}"
        told = {"first certain drop at": "none", "dose before": "", "pruned": "", "difference": ""}
        if row["training_set"] is not None:
            before = row["dose_before"]
            interval = f"{signed(row['low'])} to {signed(row['high'])}"
            told = {
                "first certain drop at": f"{row['sweep']} {row['dose']:g}",
                "dose before": "none tried" if before is None else f"{before:g}",
                "pruned": f"{row['pruned']:,} ({percent(row['pruned_fraction'])} %)",
                "difference": f"{signed(row['difference'])} ({interval})",
            }
        rows.append(
            {
                "matched to": f"{row['matched']}, {fixed}",
                "test set": described(row["test_set"], row["n"], row["metric"]),
                "doses": str(row["doses"]),
                **told,
            }
        )
    return pl.DataFrame(rows)


def tabulate(*, differences: Path, subsets: Path, out: Path) -> None:
    """Write the smallest dose of gap matching that distinguishably costs accuracy.

    Args:
        differences: CSV of the table of differences.
        subsets: CSV of the table of subsets.
        out: Path of the table without suffix.
    """
    table = first_drops(read_differences(differences), read_training_sets(subsets))
    write_table(table, out, TABLE.caption, shown=shown(table))


def swept(results: Results) -> bool:
    """Return whether gap-matched subsets differ in nothing but the offset, or but the rank."""
    values: dict[tuple[object, ...], set[float]] = {}
    for name, one in results.gap_matched.items():
        tests, embedder = results.study.subset_test_sets(name), results.study.subset_embedder(name)
        alike = (*tests, embedder, one.reference)
        values.setdefault(("offset", one.rank, *alike), set()).add(one.offset)
        values.setdefault(("rank", one.offset, *alike), set()).add(one.rank)
    return any(len(different) > 1 for different in values.values())


def needs(results: Results, _: str) -> Needs:
    """Return the tables of differences and of subsets."""
    tables = {"differences": results.table("differences"), "subsets": results.table("subsets")}
    return Needs(inputs=list(tables.values()), arguments=tables)


TABLE = Table(
    make=tabulate,
    needs=needs,
    items=lambda results: [""] if swept(results) else [],
    place=46,
    caption=(
        "The first certain drop. A row is a sweep, gap-matched subsets that differ only in the "
        "threshold's offset or only in the matched rank (the dose), on one of the test sets that "
        "they are matched to. It shows the subset that prunes the fewest images among those whose "
        "difference from the baseline has a 95 % interval below zero: its dose, the next weaker "
        "dose, the images it prunes, and the difference in points (paired bootstrap over the n "
        "images and the seeds). Accuracy begins to fall at this dose or before it: more images or "
        "seeds might show it earlier. No correction is made for the number of doses."
    ),
)
