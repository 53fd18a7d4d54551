"""What pruning for retrieval costs, and the transfer matrix, from hand-made differences."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from markdown_tables import markdown_table
from programs import ROOT
from smoke_study import STUDY

from gapmatch.config.results import Results
from gapmatch.config.study import parse_study
from gapmatch.figures import retrieval_cost as cost_figure
from gapmatch.figures import transfer_matrix
from gapmatch.tables import retrieval_cost
from gapmatch.tables.differences import Difference, differences_table
from gapmatch.tables.subsets import TrainingSet

METRICS = {
    "val": ["top1"],
    "pets": ["mean_per_class"],
    "flickr": ["image_to_text_1", "text_to_image_1"],
}


def training_set(name: str, method: str, tests: tuple[str, ...], kept: int) -> TrainingSet:
    return TrainingSet(name, method, tests, 1, 0.0, "e", 100, kept, 100 - kept, 10, {})


SUBSETS = [
    training_set("baseline", "all", (), 100),
    training_set("val_pruned", "gap_match", ("val",), 70),
    training_set("flickr_pruned", "gap_match", ("flickr",), 60),
    training_set("combined", "gap_match", ("val", "pets", "flickr"), 40),
    training_set("random_60", "random", (), 60),
    training_set("random_50", "random", (), 50),
]


@pytest.fixture
def differences() -> list[Difference]:
    found = []
    for place, subset in enumerate(SUBSETS[1:]):
        for test_set, metrics in METRICS.items():
            for metric in metrics:
                value = -0.01 * (place + 1) - (0.2 if test_set in subset.test_sets else 0)
                told = value < -0.05
                bounds = (value - 0.05, value + 0.05)
                none = (None, None, None)
                found.append(
                    Difference(
                        subset.subset, test_set, metric, value, *bounds, told, False, 50, 2, *none
                    )
                )
    return found


def written(folder: Path, differences: list[Difference]) -> dict[str, Path]:
    differences_table(differences).write_csv(folder / "differences.csv")
    pl.DataFrame(
        [
            {
                "subset": one.subset, "method": one.method, "test_sets": ", ".join(one.test_sets),
                "rank": one.rank, "offset": one.offset, "settings": "{}", "seed": 0,
                "embedder": one.embedder, "pool": one.pool,
                "kept": one.kept, "pruned": one.pruned, "pruned_fraction": one.pruned / one.pool,
                "reference": one.reference, "training_set_size": one.size, "violations": 0,
                "max_excess": 0.0,
            }
            for one in SUBSETS
        ]
    ).write_csv(folder / "subsets.csv")  # fmt: skip
    return {"differences": folder / "differences.csv", "subsets": folder / "subsets.csv"}


def test_cost_is_of_what_retrieval_steers_and_of_random_subsets_of_that_size(
    differences: list[Difference], tmp_path: Path
) -> None:
    tables = written(tmp_path, differences)
    retrieval_cost.tabulate(**tables, test_sets=["flickr"], out=tmp_path / "retrieval_cost")
    table = pl.read_csv(tmp_path / "retrieval_cost.csv")
    assert table["training_set"].unique(maintain_order=True).to_list() == [
        "flickr_pruned",
        "random_60",
    ]
    assert table.filter(task="retrieval")["metric"].unique().sort().to_list() == METRICS["flickr"]
    assert table.filter(task="classification")["test_set"].unique().sort().to_list() == [
        "pets",
        "val",
    ]
    given = {(row.training_set, row.test_set, row.metric): row for row in differences}
    for row in table.iter_rows(named=True):
        told = given[row["training_set"], row["test_set"], row["metric"]]
        assert row["difference"] == told.difference
        assert (row["low"], row["high"], row["n"]) == (told.low, told.high, told.n)
    heads, rows = markdown_table(tmp_path / "retrieval_cost.md")
    assert heads[2:] == ["flickr_pruned (40 pruned)", "random_60 (40 pruned)"]
    assert rows[0][:3] == [
        "retrieval",
        "flickr (n = 50, image to text, recall at 1)",
        "-22.0 (-27.0 to -17.0)",
    ]
    assert rows[-1][:2] == ["classification", "pets (n = 50, mean per class)"]
    assert rows[-1][3].endswith("not distinguishable")
    cost_figure.plot(
        table=tmp_path / "retrieval_cost.csv", subsets=tables["subsets"], out=tmp_path / "figure"
    )
    assert pl.read_csv(tmp_path / "figure.csv").equals(table)
    figure = cost_figure.draw(table, {})
    assert [panel.get_title("left") for panel in figure.axes] == ["retrieval", "classification"]
    labels = [label.get_text() for label in figure.axes[1].get_yticklabels()]
    assert labels == ["val (n = 50)", "pets (n = 50, mean per class)"]


def test_matrix_has_a_cell_for_each_subset_and_score(
    differences: list[Difference], tmp_path: Path
) -> None:
    rows = ["val_pruned", "flickr_pruned", "combined"]
    transfer_matrix.plot(
        **written(tmp_path, differences), rows=rows, out=tmp_path / "transfer_matrix"
    )
    frame = pl.read_csv(tmp_path / "transfer_matrix.csv")
    assert frame.height == 3 * 4
    assert frame["training_set"].unique(maintain_order=True).to_list() == rows
    matched = frame.filter("matched").select("training_set", "test_set").unique().rows()
    assert set(matched) == {
        ("val_pruned", "val"),
        ("flickr_pruned", "flickr"),
        *(("combined", name) for name in METRICS),
    }
    panel = transfer_matrix.draw(frame).axes[0]
    assert [label.get_text() for label in panel.get_xticklabels()] == [
        "val",
        "pets, mean per class",
        "flickr, i\N{RIGHTWARDS ARROW}t",
        "flickr, t\N{RIGHTWARDS ARROW}i",
    ]
    texts = {text.get_position(): text for text in panel.texts}
    assert texts[0, 0].get_text() == "-21.0"
    assert texts[0, 0].get_fontweight() == "bold"
    assert texts[1, 0].get_text() == "-1.0"
    assert texts[1, 0].get_fontweight() == "normal"
    coloured = ~np.ma.getmaskarray(panel.images[0].get_array())
    assert coloured.sum() == frame["distinguishable"].sum(), "only what is told has a colour"
    none = transfer_matrix.draw(frame.with_columns(at_chance=True)).axes[0]
    assert np.ma.getmaskarray(none.images[0].get_array()).all(), "at chance nothing is told"
    assert len(panel.patches) == frame["matched"].sum()


def test_labels_of_twenty_test_sets_do_not_meet() -> None:
    """Numbers stay inside their cells, and labels apart, where a matrix is large."""
    names = [f"a_test_set_{number}" for number in range(20)]
    none = (None, None, None)
    subsets = [training_set(f"{name}_pruned", "gap_match", (name,), 10**8) for name in names]
    differences = [
        Difference(one.subset, name, "top1", -0.123, -0.2, -0.1, True, False, 50000, 3, *none)
        for one in subsets
        for name in names
    ]
    frame = transfer_matrix.transfer(differences, subsets, [one.subset for one in subsets])
    figure = transfer_matrix.draw(frame)
    figure.canvas.draw()
    panel = figure.axes[0]
    cell = panel.transData.transform([(0, 0), (1, 1)])
    width, height = abs(cell[1] - cell[0])
    for text in panel.texts:
        box = text.get_window_extent()
        assert box.width < width
        assert box.height < height
    for label in panel.get_yticklabels():
        box = label.get_window_extent()
        assert box.height < height
        assert box.x0 >= 0
    assert min(figure.get_size_inches()) > 5
    assert max(figure.get_size_inches()) < 16


def test_rows_are_in_the_order_of_the_test_sets() -> None:
    values = yaml.safe_load((ROOT / STUDY).read_text(encoding="utf-8"))
    values["subsets"] = {
        "baseline": {"method": "all"},
        "reference_only": {"method": "none"},
        "both": {"method": "gap_match", "test_sets": "all"},
        "for_sketch": {"method": "gap_match", "test_sets": ["sketch"]},
        "for_val": {"method": "gap_match", "test_sets": ["val"]},
        "offset": {"method": "gap_match", "test_sets": ["val"], "offset": 0.1},
        "alone": {"method": "gap_match", "test_sets": ["val"], "reference": 0},
    }
    results = Results(parse_study(values, "study"))
    assert transfer_matrix.matched_subsets(results) == ["for_val", "for_sketch", "both"]
