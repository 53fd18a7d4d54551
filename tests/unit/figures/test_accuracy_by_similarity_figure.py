"""Accuracy by similarity, against a plain computation."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from drawn import texts

from gapmatch.figures import (
    accuracy_by_similarity,
)
from gapmatch.results.evaluations import read_evaluations
from gapmatch.results.summaries import read_nearest
from gapmatch.running.errors import InputError
from gapmatch.tables import accuracy_by_similarity as tables_binned
from gapmatch.tables.subsets import TrainingSet


def test_accuracy_by_similarity_bins_the_predictions(
    results: Path, sets: list[TrainingSet]
) -> None:
    paths = sorted(results.glob("evaluations/baseline/seed*/*.json"))
    nearest = read_nearest(results / "subsets/baseline/nearest.parquet")
    frame = tables_binned.accuracy_by_similarity(read_evaluations(paths), nearest, 4)
    sketch = frame.filter(pl.col("test_set") == "sketch")
    correct = np.stack(
        [
            pl.read_parquet(results / f"evaluations/baseline/seed{seed}/sketch.parquet")[
                "correct_top1"
            ].to_numpy()
            for seed in (0, 1)
        ],
        axis=1,
    )
    near = nearest.filter(pl.col("test_set") == "sketch")["pool_similarity"].to_numpy()
    assert sketch["n"].to_list() == [20] * 4
    order = np.argsort(near)
    assert sketch["accuracy"][0] == pytest.approx(correct[order[:20]].mean())
    each = [np.corrcoef(near, correct[:, seed])[0, 1] for seed in (0, 1)]
    assert sketch["pearson"][0] == pytest.approx(np.mean(each))
    figure = accuracy_by_similarity.draw(frame, sets)
    assert f"sketch (n = 20 per bin)\nr = {np.mean(each):+.2f}" in texts(figure)
    with pytest.raises(InputError, match="different runs"):
        tables_binned.accuracy_by_similarity(
            read_evaluations(paths), nearest.filter(pl.col("test_row") > 3), 4
        )


def test_of_many_training_sets_few_have_bands(results: Path, sets: list[TrainingSet]) -> None:
    paths = sorted(results.glob("evaluations/*/seed0/*.json"))
    nearest = read_nearest(results / "subsets/baseline/nearest.parquet")
    frame = tables_binned.accuracy_by_similarity(read_evaluations(paths), nearest, 4)
    figure = accuracy_by_similarity.draw(frame, sets)
    bands = {panel.get_title().partition(" ")[0]: len(panel.collections) for panel in figure.axes}
    assert bands["val"] == 1  # the whole pool
    assert bands["sketch"] == 2  # and what is matched to it alone
    few = frame.filter(pl.col("training_set").is_in(["baseline", "random_50", "random_25"]))
    panel = accuracy_by_similarity.draw(few, sets).axes[0]
    assert len(panel.collections) == 3
