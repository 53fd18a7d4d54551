"""What the page of neighbours is told, against the definitions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from made_browse import IMAGES, MODELS, NEIGHBOURS, make_browse, make_data, make_pictures
from made_results import SUBSETS, TESTS, make_results
from PIL import Image

from gapmatch.browse.data import answers
from gapmatch.browse.pictures import ROWS, SIDE


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_results(tmp_path_factory.mktemp("browsed"))
    make_browse(folder)
    return folder


def told(script: Path) -> dict[str, Any]:
    text = script.read_text(encoding="utf-8")
    assert text.startswith("receive(") and text.endswith(");\n")
    return json.loads(text[len("receive(") : -len(");\n")])


@pytest.fixture
def sketch(results: Path) -> dict[str, Any]:
    return told(results / "browse/data/sketch.js")


def test_items_are_the_neighbours_of_the_search(results: Path, sketch: dict[str, Any]) -> None:
    found = {
        name: pl.read_parquet(results / f"similarity/e/sketch/{name}_neighbours.parquet")
        for name in ("pool", "reference")
    }
    assert len(sketch["items"]) == IMAGES
    assert sketch["images"] == TESTS["sketch"]
    for item in sketch["items"]:
        for name, table in found.items():
            rows = table.filter(test_row=item["row"]).head(NEIGHBOURS)
            here = [(one["chunk"], one["row"]) for one in item[name]]
            assert here == list(rows.select("chunk", "row").iter_rows())
            similarities = [one["similarity"] for one in item[name]]
            np.testing.assert_allclose(similarities, rows["similarity"], atol=1e-6)
        nearest = found["reference"].filter(test_row=item["row"])["similarity"]
        assert item["thresholds"] == [nearest[0], nearest[2]]  # ranks 1 and 3


def test_items_fall_in_margin(sketch: dict[str, Any]) -> None:
    margins = [
        one["pool"][0]["similarity"] - one["reference"][0]["similarity"] for one in sketch["items"]
    ]
    assert margins == sorted(margins, reverse=True)
    assert margins[0] > margins[-1]


def test_subsets_that_keep_a_neighbour_are_named(results: Path, sketch: dict[str, Any]) -> None:
    assert sketch["subsets"] == list(SUBSETS)
    kept = {
        (name, path.stem.removeprefix("kept_")): set(pl.read_parquet(path)["row"])
        for name in SUBSETS
        for path in results.glob(f"subsets/{name}/kept/*.parquet")
    }
    seen, duplicates = set(), 0
    for item in sketch["items"]:
        for one in item["pool"]:
            if one["row"] not in kept["baseline", one["chunk"]]:
                assert one["duplicate"] and "kept" not in one
                duplicates += 1
                continue
            expected = "".join(str(int(one["row"] in kept[name, one["chunk"]])) for name in SUBSETS)
            assert one["kept"] == expected
            seen.update(expected)
        assert all("kept" not in one for one in item["reference"])
    assert seen == {"0", "1"}
    assert duplicates


def test_answers_are_those_of_the_evaluations(results: Path, sketch: dict[str, Any]) -> None:
    names = [f"{one['training_set']}/seed{one['seed']}" for one in sketch["models"]]
    assert names == MODELS
    for place, model in enumerate(MODELS):
        rows = pl.read_parquet(results / f"evaluations/{model}/sketch.parquet")
        for item in sketch["items"]:
            row = rows.row(by_predicate=pl.col("test_row") == item["row"], named=True)
            assert item["right"][place] == str(int(row["correct_top1"]))
            assert item["predicted"][place] == row["predicted"]


def test_answers_on_other_kinds_of_test_sets() -> None:
    several = pl.DataFrame(
        {"test_row": [0, 1], "labels": [[0, 2], [1]], "scores": [[0.1, 0.2, 0.9], [0.7, 0.2, 0.1]]}
    )
    assert answers(several).rows() == [(0, True, 2), (1, False, 0)]
    captioned = pl.DataFrame(
        {"test_row": [0, 1], "caption_rank": [1, 4], "image_ranks": [[1], [2]]}
    )
    assert answers(captioned).rows() == [(0, True, None), (1, False, None)]


def test_image_that_a_model_did_not_see(results: Path, tmp_path: Path) -> None:
    folder = make_results(tmp_path)
    make_pictures(folder, "val", images=TESTS["val"])
    for model in MODELS:  # one image could be read for none of them
        path = folder / f"evaluations/{model}/val.parquet"
        rows = pl.read_parquet(path).filter(pl.col("test_row") != 7)
        rows.write_parquet(path)
        summary = json.loads(path.with_suffix(".json").read_text())
        values = {name: float(rows["correct_top1"].mean()) for name in ("top1", "mean_per_class")}
        path.with_suffix(".json").write_text(json.dumps(summary | {"n": len(rows)} | values))
    item = next(one for one in told(make_data(folder, "val"))["items"] if one["row"] == 7)
    assert item["right"] == "-" * len(MODELS)
    assert item["predicted"] == [None] * len(MODELS)


def test_sheets_hold_each_picture_in_its_place(results: Path, sketch: dict[str, Any]) -> None:
    paths = sorted((results / "browse/data/sketch").iterdir())
    assert [path.name for path in paths] == ["000.jpg", "001.jpg"]
    pictures = [Image.open(path) for path in paths]
    assert [one.size for one in pictures] == [
        ((1 + 2 * NEIGHBOURS) * SIDE, height * SIDE) for height in (ROWS, IMAGES - ROWS)
    ]
    # As made_results paints them: green tells the style, and is the same for every dataset.
    metadata = {
        (name, chunk): pl.read_parquet(path)
        for name in ("pool", "reference", "sketch")
        for path in results.glob(f"embeddings/e/{name}/metadata/*.parquet")
        for chunk in [path.stem.removeprefix("metadata_")]
    }
    styles = ["colour", "line", "photo"]
    for place, item in enumerate(sketch["items"]):
        sheet, top = pictures[place // ROWS], place % ROWS * SIDE
        shown = [("sketch", item), *(("pool", one) for one in item["pool"])]
        shown += [("reference", one) for one in item["reference"]]
        for column, (name, one) in enumerate(shown):
            row = metadata[name, one["chunk"]].row(one["row"], named=True)
            middle = sheet.getpixel((column * SIDE + SIDE // 2, top + SIDE // 2))
            assert abs(middle[1] - 90 * styles.index(row["style"])) < 12, (place, column)
            assert one["key"] == row["image_path"] and one["caption"] == row["caption"]


def test_equal_inputs_give_equal_bytes(results: Path, tmp_path: Path) -> None:
    again = make_results(tmp_path)
    page = make_browse(again)
    first, second = (
        {
            str(path.relative_to(folder)): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (results / "browse", page.parent)
    )
    assert first == second
