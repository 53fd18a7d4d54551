"""Style of figures: equal figures are equal bytes, and each training set has its look."""

from dataclasses import replace
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


def test_no_two_curves_share_colour_and_marker(sets: list[TrainingSet]) -> None:
    template = next(one for one in sets if one.method == "random")
    many = [replace(template, subset=f"reference_{n}", method="none") for n in range(4)]
    many += [replace(template, subset=f"balanced_{n}", method="balanced") for n in range(3)]
    many += [replace(template, subset=f"matched_{n}", method="gap_match") for n in range(30)]
    many += [
        replace(template, subset=f"diverse_{n}_{kept}", method="diverse", settings={"clusters": n})
        for n in (1, 2, 3)
        for kept in (10, 20)
    ]
    looks = style.palette(many)
    seen = {one.series: (looks[one.subset].colour, looks[one.subset].marker) for one in many}
    assert len(seen) == 4 + 3 + 30 + 3
    assert len(set(seen.values())) == len(seen)
    assert looks["diverse_1_10"] == looks["diverse_1_20"]


def test_captions_of_pictures_stay_in_their_column() -> None:
    panel = style.canvas(1, 1).add_subplot()
    words = "a coloured drawing of a building under construction with cranes"
    image = Image.new("RGB", (4, 4))
    style.draw_picture(panel, image, words, marked=False, size=6, letters=20, lines=2)
    lines = panel.get_xlabel().split("\n")
    assert len(lines) == 2 and all(len(line) <= 20 for line in lines)
    assert lines[1].endswith("\N{HORIZONTAL ELLIPSIS}")
    style.draw_picture(panel, image, "unbroken" * 9, marked=False, size=6, letters=20, lines=2)
    assert all(len(line) <= 20 for line in panel.get_xlabel().split("\n"))
