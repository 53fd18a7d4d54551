"""Effective robustness: the fitted line, and what is on it."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from made_results import SUBSETS, TESTS, robustness_rows
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from gapmatch.drawing import style
from gapmatch.figures import (
    effective_robustness,
)
from gapmatch.running.errors import InputError
from gapmatch.tables.subsets import TrainingSet


def bands(figure: Figure) -> list[PolyCollection]:
    return [shape for shape in figure.axes[0].collections if isinstance(shape, PolyCollection)]


def test_line_through_reference_only_models_is_fitted_in_logits(sets: list[TrainingSet]) -> None:
    values = [("reference_only", 0, 0.5, 0.2), ("reference_only", 1, 0.7, 0.4)]
    values += [("baseline", 0, 0.6, 0.5)]
    frame = effective_robustness.effective_robustness(robustness_rows(values), sets, "val")
    inside, outside = np.log([0.5 / 0.5, 0.7 / 0.3]), np.log([0.2 / 0.8, 0.4 / 0.6])
    slope, intercept = np.polyfit(inside, outside, 1)
    assert frame["slope"].unique().to_list() == [pytest.approx(slope)]
    assert frame["intercept"].unique().to_list() == [pytest.approx(intercept)]
    assert frame.filter(pl.col("training_set") == "baseline")["id_score"].to_list() == [0.6]
    figure = effective_robustness.draw(frame, style.palette(sets), "val")
    assert not bands(figure)  # two points tell no deviation
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "fit to 2 models trained on the reference alone" in labels


def test_classifiers_are_a_series_and_on_the_line(sets: list[TrainingSet]) -> None:
    values = [("baseline", 0, 0.6, 0.5), ("reference_only", 0, 0.4, 0.1)]
    values += [("resnet18", 0, 0.7, 0.4), ("resnet50", 0, 0.8, 0.5), ("unknown", 0, 0.9, 0.9)]
    names = ["resnet18", "resnet50"]
    frame = effective_robustness.effective_robustness(robustness_rows(values), sets, "val", names)
    rows = frame.filter(pl.col("method") == "classifier")
    assert rows["training_set"].to_list() == names
    assert set(rows["series"]) == {"classifiers"}
    assert "unknown" not in frame["training_set"].to_list()
    inside, outside = (
        np.log([value / (1 - value) for value in column])
        for column in ((0.4, 0.7, 0.8), (0.1, 0.4, 0.5))
    )
    slope, intercept = np.polyfit(inside, outside, 1)
    assert frame["slope"].unique().to_list() == [pytest.approx(slope)]
    assert frame["intercept"].unique().to_list() == [pytest.approx(intercept)]
    looks = style.palette(sets, names)
    assert looks["resnet18"] == looks["resnet50"] != looks["baseline"]
    figure = effective_robustness.draw(frame, looks, "val")
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels.count("classifiers") == 1
    assert len(bands(figure)) == 1
    assert "fit to 3 models trained on the reference alone" in labels


def test_no_line_is_fitted_to_noise(
    accuracy: pl.DataFrame, sets: list[TrainingSet], tmp_path: Path
) -> None:
    frame = effective_robustness.effective_robustness(accuracy, sets, "val")
    assert frame["slope"].is_null().all()
    assert set(frame["test_set"]) == set(TESTS) - {"val"}
    assert frame.height == (len(SUBSETS) + 2) * 2
    style.save(effective_robustness.draw(frame, style.palette(sets), "val"), frame, tmp_path / "f")
    with pytest.raises(InputError, match="id_test_set"):
        effective_robustness.effective_robustness(accuracy, sets, "nowhere")


def test_an_accuracy_of_zero_or_one_can_be_drawn(sets: list[TrainingSet], tmp_path: Path) -> None:
    frame = effective_robustness.effective_robustness(
        robustness_rows([("baseline", 0, 1.0, 0.0)]), sets, "val"
    )
    style.save(effective_robustness.draw(frame, style.palette(sets), "val"), frame, tmp_path / "f")
