"""Scale or diversity: how much of the variance within a grid of subsets each of them explains."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from gapmatch.data.embedding_files import Float64
from gapmatch.results.effects import degrees_of_freedom, effects, slope_errors
from gapmatch.results.evaluations import Evaluation, by_test_set, evaluations_of
from gapmatch.results.judging import Judged, judge, metrics_of
from gapmatch.results.shown import Needs, Table
from gapmatch.results.statistics import LEVEL, drawn_seeds, logit, percentile_interval
from gapmatch.results.table_files import percent, read_csv, write_table
from gapmatch.subset.methods.diverse import DiverseSubset
from gapmatch.tables.accuracy import described
from gapmatch.tables.subsets import TrainingSet, read_training_sets, with_common_reference

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
    for one in with_common_reference(one for one in subsets if one.method == "diverse"):
        cells.setdefault((one.kept, int(one.settings["clusters"])), []).append(one.subset)
    sizes, clusters = (sorted({key[place] for key in cells}) for place in (0, 1))
    complete = len(cells) == len(sizes) * len(clusters)
    return Grid(sizes, clusters, cells) if complete and min(len(sizes), len(clusters)) > 1 else None


def factor_table(
    evaluations: Sequence[Evaluation], grid: Grid, per_class: Collection[str] = ()
) -> pl.DataFrame:
    """One row per test set, score and factor, with the columns of ``SCHEMA``.

    Args:
        evaluations: Of the models of the grid.
        grid: The grid.
        per_class: Test sets that are judged by the mean accuracy of their classes.
    """
    rows: list[dict[str, object]] = []
    of_grid = {name for names in grid.cells.values() for name in names}
    known = [one for one in evaluations if one.training_set in of_grid]
    for test_set, models in by_test_set(known).items():
        for metric in metrics_of(models[0], test_set in per_class):
            judged = judge(models, metric)
            common = {
                "test_set": test_set,
                "metric": metric,
                "n": judged.n,
                "sizes": len(grid.sizes),
                "clusters": len(grid.clusters),
                "models": len(models),
            }
            rows += [common | row for row in _factor_rows(judged, grid)]
    return pl.DataFrame(rows, schema=SCHEMA)


def _factor_rows(judged: Judged, grid: Grid) -> Iterator[dict[str, object]]:
    """Yield what each factor explains; nothing but its name where all cells are equal."""
    from scipy import stats

    axes = (grid.sizes, grid.clusters)
    n = np.full((1, 1, 1), judged.n)
    means = {name: np.full(1, value.mean()) for name, value in judged.values.items()}
    logits = logit(_cells(grid, means, _mean), n)
    point = effects(logits, *axes)
    drawn = effects(logit(_cells(grid, judged.replicates, drawn_seeds), n), *axes)
    images = effects(logit(_cells(grid, judged.over_images, _mean), n), *axes)
    error = np.hypot(slope_errors(logits[0], *axes), images.slopes.std(axis=0))
    width = stats.t.ppf((1 + LEVEL) / 2, degrees_of_freedom(*axes)) * error
    for place, factor in enumerate((SIZE, DIVERSITY, REST)):
        row: dict[str, object] = {"factor": factor}
        share = float(point.shares[0, place])
        if not np.isnan(share):
            low, high = percentile_interval(drawn.shares[:, place])
            row |= {"share": share, "share_low": low, "share_high": high}
        if factor != REST:
            slope, half = float(point.slopes[0, place]), float(width[place])
            row |= {"slope": slope, "slope_low": slope - half, "slope_high": slope + half}
        yield row


def _cells(
    grid: Grid, replicates: Mapping[str, Float64], of_cell: Callable[[Float64, str], Float64]
) -> Float64:
    """Return (replicates, sizes, clusters), each cell from (replicates, subsets) and its name."""

    def cell(size: int, number: int) -> Float64:
        names = grid.cells[size, number]
        subsets = np.stack([replicates[name] for name in names], axis=1)
        return of_cell(subsets, f"cell of {names[0]}")  # no training set has a name with spaces

    rows = [[cell(size, number) for number in grid.clusters] for size in grid.sizes]
    return np.moveaxis(np.array(rows), 2, 0)


def _mean(subsets: Float64, _: str) -> Float64:
    return np.asarray(subsets.mean(axis=1))


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
            explains = "nothing to explain"
            if one["share"] is not None:
                bounds = f"{percent(one['share_low'])}\N{EN DASH}{percent(one['share_high'])}"
                explains = f"{percent(one['share'])} % ({bounds})"
            row[f"{one['factor']} explains"] = explains
            if one["slope"] is not None:
                row[f"doubling {one['factor']}"] = (
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
    """Write how much of the variance within a grid of subsets size and diversity explain.

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
        name: one for name, one in results.study.subsets.items() if isinstance(one, DiverseSubset)
    }
    cells = {(one.keep, one.clusters) for one in with_common_reference(diverse.values())}
    several = all(len({cell[place] for cell in cells}) > 1 for place in (0, 1))
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
        "Scale or diversity, on a grid of diverse subsets. A cell is one size and one number of "
        "clusters. Of the variance between cells (of the logit of the score, which is top-1 "
        "accuracy where no other metric is named; means over models) size explains one share and "
        "diversity another; the rest is interaction and noise. Shares have 95 % percentile "
        "intervals of a bootstrap over the n test images and the models of each cell, and noise "
        "alone gives every factor a share above zero: judge whether a factor matters by its "
        "doubling. Doubling: what twice the size, or twice the clusters, adds to the logit, with "
        "the 95 % interval of a linear model (Student's t), which counts as noise what the model "
        "leaves over between cells and what drawing other images changes. With one seed of the "
        "choice, which clusters are chosen is part of the factor."
    ),
)
