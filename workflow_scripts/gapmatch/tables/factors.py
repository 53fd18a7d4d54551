"""Scale or diversity: what of the differences within a grid of subsets each of the two explains."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from gapmatch.data.embedding_files import Float64
from gapmatch.results.evaluations import Evaluation, by_test_set, evaluations_of
from gapmatch.results.judging import judge, metrics_of
from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import drawn_seeds, logit, percentile_interval
from gapmatch.results.table_files import percent, read_csv, write_table
from gapmatch.subset.methods.diverse import DiverseSubset
from gapmatch.tables.accuracy import described
from gapmatch.tables.subsets import TrainingSet, read_training_sets

if TYPE_CHECKING:
    from gapmatch.config.results import Results

SIZE, DIVERSITY, REST = "size", "diversity", "rest"
SCHEMA = {
    "test_set": pl.String,
    "metric": pl.String,
    "n": pl.Int64,
    "sizes": pl.Int64,
    "clusters": pl.Int64,
    "models": pl.Int64,
    "factor": pl.String,
    "share": pl.Float64,
    "share_low": pl.Float64,
    "share_high": pl.Float64,
    "slope": pl.Float64,
    "slope_low": pl.Float64,
    "slope_high": pl.Float64,
}


class Grid(NamedTuple):
    """Diverse subsets of every size and number of clusters.

    Attributes:
        sizes: Pool samples, ascending.
        clusters: Clusters that they come from, ascending.
        cells: Names of the subsets by size and clusters: they differ in the seed of the choice.
    """

    sizes: list[int]
    clusters: list[int]
    cells: dict[tuple[int, int], list[str]]


def grid_of(subsets: Sequence[TrainingSet]) -> Grid | None:
    """Return the grid among the subsets; None where a cell is empty, or one factor has one value.

    Args:
        subsets: The table of subsets.
    """
    cells: dict[tuple[int, int], list[str]] = {}
    for one in subsets:
        if one.method == "diverse" and one.reference:
            cells.setdefault((one.kept, int(one.settings["clusters"])), []).append(one.subset)
    sizes, clusters = (sorted({key[place] for key in cells}) for place in (0, 1))
    complete = len(cells) == len(sizes) * len(clusters)
    return Grid(sizes, clusters, cells) if complete and min(len(sizes), len(clusters)) > 1 else None


class Effects(NamedTuple):
    """What the factors do in a grid, of each of many replicates.

    Attributes:
        shares: (replicates, 3): shares of the variance that size, diversity and the rest explain.
        slopes: (replicates, 2): what a doubling of size, and of the clusters, adds to the logit.
    """

    shares: Float64
    slopes: Float64


def effects(logits: Float64, sizes: Sequence[int], clusters: Sequence[int]) -> Effects:
    """Divide the variance between the cells of a grid.

    Y_ab = m + s_a + d_b + r_ab, with means of zero over a and over b: a linear model with a value
    for each size and each number of clusters, which assumes that the two add up on logits. The sum
    of squares of Y - m is that of s, d and r together, each over all cells. r holds whatever the
    two do beyond adding up, and noise. Slopes are least-squares lines through s and d over the
    binary logarithm of size and clusters.

    Args:
        logits: (replicates, sizes, clusters).
        sizes: Of the subsets.
        clusters: That they come from.
    """
    centred = logits - logits.mean(axis=(1, 2), keepdims=True)
    of_size, of_clusters = centred.mean(axis=2), centred.mean(axis=1)
    rest = centred - of_size[:, :, None] - of_clusters[:, None, :]
    squares = np.stack(
        [
            (of_size**2).sum(axis=1) * len(clusters),
            (of_clusters**2).sum(axis=1) * len(sizes),
            (rest**2).sum(axis=(1, 2)),
        ],
        axis=1,
    )
    total = squares.sum(axis=1, keepdims=True)
    shares = np.divide(squares, total, out=np.full_like(squares, np.nan), where=total > 0)
    slopes = np.stack([_slope(of_size, sizes), _slope(of_clusters, clusters)], axis=1)
    return Effects(shares, slopes)


def _slope(values: Float64, doses: Sequence[int]) -> Float64:
    """Return the slopes of rows of values over the binary logarithm of doses, (rows,)."""
    x = np.log2(np.asarray(doses, dtype=np.float64))
    x -= x.mean()
    return np.asarray(values @ x / (x @ x))


def factor_table(
    evaluations: Sequence[Evaluation], grid: Grid, per_class: Collection[str] = ()
) -> pl.DataFrame:
    """One row per test set, score and factor, with the columns of ``SCHEMA``.

    Args:
        evaluations: Of the models of the grid.
        grid: The grid.
        per_class: Test sets that are judged by the mean accuracy of their classes.
    """
    rows = []
    for test_set, models in by_test_set(evaluations).items():
        for metric in metrics_of(models[0], test_set in per_class):
            judged = judge(models, metric)
            values = {name: one.mean() for name, one in judged.values.items()}
            n = np.full((1, 1, 1), judged.n)
            replicates = logit(_cells(grid, judged.replicates), n)
            found = effects(replicates, grid.sizes, grid.clusters)
            means = {name: np.full(1, value) for name, value in values.items()}
            point = effects(logit(_cells(grid, means), n), grid.sizes, grid.clusters)
            common = {
                "test_set": test_set,
                "metric": metric,
                "n": judged.n,
                "sizes": len(grid.sizes),
                "clusters": len(grid.clusters),
                "models": len(models),
            }
            for place, factor in enumerate((SIZE, DIVERSITY, REST)):
                low, high = percentile_interval(found.shares[:, place])
                row = {"share": float(point.shares[0, place]), "share_low": low, "share_high": high}
                if factor != REST:
                    low, high = percentile_interval(found.slopes[:, place])
                    slope = float(point.slopes[0, place])
                    row |= {"slope": slope, "slope_low": low, "slope_high": high}
                rows.append(common | {"factor": factor} | row)
    return pl.DataFrame(rows, schema=SCHEMA)


def _cells(grid: Grid, replicates: Mapping[str, Float64]) -> Float64:
    """Return (replicates, sizes, clusters): of the subsets of a cell, drawn ones' mean."""
    return np.stack(
        [
            np.stack([_cell(grid.cells[size, number], replicates) for number in grid.clusters], 1)
            for size in grid.sizes
        ],
        axis=1,
    )


def _cell(names: Sequence[str], replicates: Mapping[str, Float64]) -> Float64:
    subsets = np.stack([replicates[name] for name in names], axis=1)
    return drawn_seeds(subsets, names[0]) if len(subsets) > 1 else subsets.mean(axis=1)


def read_factors(path: Path) -> pl.DataFrame:
    """Read the CSV of ``factor_table``.

    Raises:
        InputError: The file is missing or has other columns.
    """
    return read_csv(path, SCHEMA)


def shown(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table for people."""
    rows = []
    keys = ("test_set", "n", "metric")
    for key, group in table.group_by(keys, maintain_order=True):
        test_set, n, metric = key
        row = {"test set": described(str(test_set), int(str(n)), str(metric))}
        for one in group.iter_rows(named=True):
            bounds = f"{percent(one['share_low'])}\N{EN DASH}{percent(one['share_high'])}"
            row[f"{one['factor']} explains"] = f"{percent(one['share'])} % ({bounds})"
            if one["slope"] is not None:
                row[f"a doubling of {one['factor']}"] = (
                    f"{one['slope']:+.2f} ({one['slope_low']:+.2f} to {one['slope_high']:+.2f})"
                )
        rows.append(row)
    return pl.DataFrame(rows)


def tabulate(
    *,
    evaluations: Path,
    models: list[str],
    test_sets: list[str],
    subsets: Path,
    per_class: list[str] | None = None,
    out: Path,
) -> None:
    """Write what size and diversity explain of the accuracies within a grid of subsets.

    Args:
        evaluations: Folder with MODEL/TEST_SET.json and the parquet beside each.
        models: Folders below it of the grid's models.
        test_sets: Their test sets, in the order of the table.
        subsets: CSV of the table of subsets.
        per_class: Those that are judged by the mean accuracy of their classes.
        out: Path of the table without suffix.
    """
    grid = grid_of(read_training_sets(subsets))
    found = evaluations_of(evaluations, models, test_sets) if grid else []
    table = factor_table(found, grid, per_class or ()) if grid else pl.DataFrame(schema=SCHEMA)
    write_table(table, out, TABLE.caption, shown=shown(table))


def gridded(results: Results) -> list[str]:
    """Return the diverse subsets of a study that may form a grid: of several sizes and clusters."""
    diverse = {
        name: (one.keep, one.clusters)
        for name, one in results.study.subsets.items()
        if isinstance(one, DiverseSubset) and one.reference
    }
    several = all(len({key[place] for key in diverse.values()}) > 1 for place in (0, 1))
    return list(diverse) if several else []


def needs(results: Results, _: str) -> Needs:
    """Return the evaluations of the grid's models, and the table of subsets."""
    models = results.models(gridded(results))
    table = results.table("subsets")
    return Needs(
        inputs=[*results.evaluated(models, results.test_sets), table],
        arguments={
            "evaluations": results.evaluations,
            "models": models,
            "test_sets": results.test_sets,
            "subsets": table,
        },
        settings={"per_class": results.per_class},
    )


TABLE = Table(
    make=tabulate,
    needs=needs,
    items=lambda results: [""] if gridded(results) else [],
    place=47,
    caption=(
        "Scale or diversity: within the grid of diverse subsets, what of the variance between its "
        "cells (means over models, on logits) size and diversity (the number of clusters) explain, "
        "and the rest: what they do beyond adding up, and noise. A doubling: what it adds to the "
        "logit of the score, all else equal. In parentheses 95 % percentile intervals of a "
        "bootstrap over the n test images and the models of each cell. Shares cannot fall below "
        "zero, and noise makes all of them larger: whether a factor matters, tell by its doubling, "
        "whose interval may hold zero."
    ),
)
