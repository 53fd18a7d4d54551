"""Scale or diversity: the table names the factor that a planted truth depends on."""

from dataclasses import replace
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gapmatch.results.effects import degrees_of_freedom, effects, slope_errors
from gapmatch.results.evaluations import Evaluation
from gapmatch.results.statistics import inverse_logit
from gapmatch.tables import factors
from gapmatch.tables.factors import factor_table, grid_of, shown
from gapmatch.tables.subsets import TrainingSet

SIZES, CLUSTERS = (1000, 2000, 4000), (10, 40, 160)


def diverse(size: int, clusters: int, **differences: object) -> TrainingSet:
    alike = {
        "subset": f"diverse_{size}_{clusters}", "method": "diverse", "test_sets": (), "rank": None,
        "offset": None, "embedder": "e", "pool": 9000, "kept": size, "pruned": 9000 - size,
        "reference": 100, "settings": {"clusters": clusters},
    }  # fmt: skip
    return TrainingSet(**(alike | differences))


GRID = [diverse(size, clusters) for size, clusters in product(SIZES, CLUSTERS)]


def evaluations(logit_of, images: int = 2000, seeds: int = 3) -> list[Evaluation]:
    """Draw what models get right, of the accuracy that size and clusters give, and of a seed."""
    rng = np.random.default_rng(4)
    found = []
    for size, clusters in product(SIZES, CLUSTERS):
        for seed in range(seeds):
            chance = inverse_logit(np.array(logit_of(size, clusters) + rng.normal(0, 0.05)))
            correct = rng.random(images) < chance
            rows = np.arange(images, dtype=np.int32)
            frame = pl.DataFrame({"test_row": rows, "label": rows % 4, "correct_top1": correct})
            found.append(Evaluation(f"diverse_{size}_{clusters}", seed, "sketch", frame))
    return found


def found(logit_of) -> dict[str, dict[str, float]]:
    grid = grid_of(GRID)
    assert grid is not None
    table = factor_table(evaluations(logit_of), grid)
    assert table["models"].unique().to_list() == [27]
    return {row["factor"]: row for row in table.iter_rows(named=True)}


def test_diversity_alone_is_named():
    rows = found(lambda size, clusters: 0.3 * np.log2(clusters / 40))
    assert rows["diversity"]["share_low"] > 0.9
    assert rows["size"]["share_high"] < 0.1
    assert rows["diversity"]["slope_low"] < 0.3 < rows["diversity"]["slope_high"]
    assert rows["size"]["slope_low"] < 0 < rows["size"]["slope_high"]


def test_scale_alone_is_named():
    rows = found(lambda size, clusters: 0.5 * np.log2(size / 2000))
    assert rows["size"]["share_low"] > 0.9
    assert rows["diversity"]["share_high"] < 0.1
    assert rows["size"]["slope_low"] < 0.5 < rows["size"]["slope_high"]
    assert rows["diversity"]["slope_low"] < 0 < rows["diversity"]["slope_high"]


def test_what_does_not_add_up_is_the_rest():
    rows = found(lambda size, clusters: 0.4 * np.log2(size / 2000) * np.log2(clusters / 40))
    assert rows["rest"]["share_low"] > 0.9
    assert rows["rest"]["slope"] is None


@given(seed=st.integers(0, 2**32 - 1), sizes=st.integers(2, 4), clusters=st.integers(2, 4))
def test_shares_are_those_of_least_squares(seed, sizes, clusters):
    """Of nested linear models with a column for each value of a factor."""
    y = np.random.default_rng(seed).normal(size=(sizes, clusters))
    doses = [2**place for place in range(max(sizes, clusters))]
    result = effects(y[None], doses[:sizes], doses[:clusters])
    rows, columns = np.indices(y.shape)

    def unexplained(*designs):
        x = np.hstack([np.ones((y.size, 1)), *designs])
        fitted = x @ np.linalg.lstsq(x, y.ravel(), rcond=None)[0]
        return ((y.ravel() - fitted) ** 2).sum()

    by_size = np.eye(sizes)[rows.ravel()]
    by_clusters = np.eye(clusters)[columns.ravel()]
    total = unexplained()
    expected = [
        total - unexplained(by_size),
        total - unexplained(by_clusters),
        unexplained(by_size, by_clusters),
    ]
    np.testing.assert_allclose(result.shares[0], np.array(expected) / total, atol=1e-9)
    x = np.log2(doses[:sizes])
    assert result.slopes[0, 0] == pytest.approx(np.polyfit(x, y.mean(axis=1), 1)[0], abs=1e-9)


def test_subsets_of_a_cell_differ_in_their_seed():
    more = [diverse(one.kept, one.settings["clusters"], subset=f"{one.subset}_1") for one in GRID]
    grid = grid_of([*GRID, *more, diverse(1000, 10, subset="alone", reference=0)])
    assert grid is not None
    assert grid.cells[1000, 10] == ["diverse_1000_10", "diverse_1000_10_1"]
    assert grid_of(GRID[1:]) is None, "a cell is empty"
    assert grid_of(GRID[:3]) is None, "there is one size"
    assert grid_of([]) is None


def test_a_grid_has_one_share_of_the_reference():
    halved = diverse(1000, 10, subset="half", reference=50)
    grid = grid_of([*GRID, halved])
    assert grid is not None
    assert grid.cells[1000, 10] == ["diverse_1000_10"]
    alike = factor_table(evaluations(lambda size, _: size / 4000, seeds=1), grid)
    more = evaluations(lambda size, _: size / 4000, seeds=1)
    more.append(replace(more[0], training_set="half"))
    assert factor_table(more, grid).equals(alike), "other models change nothing"


def test_slopes_hold_the_truth_whatever_the_seeds():
    """Without any effect an interval leaves out zero in about one of 20 grids."""
    rng = np.random.default_rng(3)
    sizes, clusters, grids = list(SIZES), list(CLUSTERS), 4000
    logits = rng.normal(0, 0.2, (grids, 3, 3))
    quantile = stats.t.ppf(0.975, degrees_of_freedom(sizes, clusters))
    slopes = effects(logits, sizes, clusters).slopes
    errors = np.array([slope_errors(one, sizes, clusters) for one in logits])
    left_out = (abs(slopes) > quantile * errors).mean(axis=0)
    np.testing.assert_allclose(left_out, 0.05, atol=0.012)


def test_slope_errors_are_those_of_least_squares():
    y = np.random.default_rng(5).normal(size=(3, 4))
    sizes, clusters = [100, 300, 1000], [5, 10, 40, 50]
    rows, columns = np.indices(y.shape)
    x = np.column_stack(
        [np.ones(y.size), np.log2(sizes)[rows.ravel()], np.log2(clusters)[columns.ravel()]]
    )
    fitted = np.linalg.lstsq(x, y.ravel(), rcond=None)[0]
    variance = ((y.ravel() - x @ fitted) ** 2).sum() / (y.size - 3)
    expected = np.sqrt(np.diag(variance * np.linalg.inv(x.T @ x)))[1:]
    np.testing.assert_allclose(slope_errors(y, sizes, clusters), expected)


def test_equal_cells_leave_nothing_to_explain():
    grid = grid_of(GRID)
    assert grid is not None
    alike = [
        replace(one, images=evaluations(lambda *_: 0, seeds=1)[0].images)
        for one in evaluations(lambda *_: 0, seeds=1)
    ]
    table = factor_table(alike, grid)
    assert table["share"].null_count() == table["share_low"].null_count() == 3
    assert table["slope"].to_list() == [pytest.approx(0)] * 2 + [None]
    assert "nothing to explain" in shown(table)["rest explains"].to_list()


def test_people_see_shares_and_doublings():
    grid = grid_of(GRID)
    assert grid is not None
    table = shown(factor_table(evaluations(lambda size, _: size / 4000, seeds=1), grid))
    assert table.columns == [
        "test set", "size explains", "doubling size", "diversity explains",
        "doubling diversity", "rest explains",
    ]  # fmt: skip
    assert table["test set"].to_list() == ["sketch (n = 2,000)"]
    assert factors.TABLE.caption.count("n test images")
