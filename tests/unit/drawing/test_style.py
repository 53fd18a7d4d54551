"""Style of figures: equal figures are equal bytes, and each training set has its look."""

from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from gapmatch.drawing import style
from gapmatch.figures import (
    accuracy_by_size,
)
from gapmatch.tables.subsets import TrainingSet


def test_equal_figures_are_equal_bytes(
    accuracy: pl.DataFrame, sets: list[TrainingSet], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        frame = accuracy_by_size.accuracy_by_size(accuracy, sets, steered=True)
        figure = accuracy_by_size.draw(frame, style.palette(sets))
        style.save(figure, frame, tmp_path / name / "figure")
    for suffix in ("pdf", "png", "csv"):
        first, second = (tmp_path / name / f"figure.{suffix}" for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()
    with Image.open(tmp_path / "a/figure.png") as image:
        assert image.info["dpi"][0] == pytest.approx(150, abs=0.1)
    assert pl.read_csv(tmp_path / "a/figure.csv").equals(frame)
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "figure.csv", "figure.pdf", "figure.png",
    ]  # fmt: skip


def test_every_training_set_has_its_look(sets: list[TrainingSet]) -> None:
    looks = style.palette(sets)
    methods = {subset.subset: subset.method for subset in sets}
    singles = [name for name in looks if methods[name] in ("all", "none", "gap_match")]
    assert len({looks[name] for name in singles}) == len(singles)
    assert looks["near_sketch_50"] == looks["near_sketch_25"] != looks["random_50"]
    assert (
        style.palette([s for s in sets if s.method != "near"])["sketch_pruned"]
        == (looks["sketch_pruned"])
    )
