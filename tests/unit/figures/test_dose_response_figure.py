"""Dose and response: the sweeps that a study holds."""

from dataclasses import replace

import polars as pl
import pytest
from drawn import texts
from made_results import robustness_rows

from gapmatch.figures import (
    dose_response,
)
from gapmatch.tables.differences import Difference
from gapmatch.tables.first_drop import first_drops, shown
from gapmatch.tables.subsets import TrainingSet


def swept(**differences: object) -> TrainingSet:
    alike = {
        "subset": "a", "method": "gap_match", "test_sets": ("sketch",), "rank": 1, "offset": 0.0,
        "embedder": "e", "pool": 100, "kept": 60, "pruned": 40, "reference": 70,
        "settings": {},
    }  # fmt: skip
    return TrainingSet(**(alike | differences))


def difference(name: str, high: float, test_set: str = "sketch") -> Difference:
    told = high < 0
    none = (None, None, None)
    return Difference(
        name, test_set, "top1", high - 0.1, high - 0.2, high, told, False, 50, 2, *none
    )


def test_the_first_certain_drop_is_that_with_fewest_pruned() -> None:
    sets = [
        swept(subset="far", offset=0.2, pruned=10),
        swept(subset="near", offset=0.1, pruned=20),
        swept(subset="paper"),
        swept(subset="more", offset=-0.1, pruned=70),
        swept(subset="other", offset=0.1, rank=9, pruned=30),
    ]
    rows = [
        difference("far", 0.05), difference("near", 0.0), difference("paper", -0.01),
        difference("more", -0.2), difference("other", -0.2), difference("far", -0.2, "val"),
    ]  # fmt: skip
    table = first_drops(rows, sets)
    by_sweep = {row["sweep"]: row for row in table.iter_rows(named=True)}
    assert len(table) == 2, "val is not matched"
    offset = by_sweep["offset"]
    assert (offset["training_set"], offset["dose"], offset["dose_before"]) == ("paper", 0.0, 0.1)
    assert (offset["doses"], offset["pruned"], offset["high"]) == (4, 40, -0.01)
    rank = by_sweep["rank"]
    assert (rank["training_set"], rank["dose"], rank["dose_before"]) == ("other", 9.0, 1.0)
    texts = shown(table).filter(pl.col("matched to") == "sketch, rank 1").row(0)
    assert texts[1:] == (
        "sketch (n = 50)", "4", "offset 0", "0.1", "40 (40.0 %)", "-11.0 (-21.0 to -1.0)",
    )  # fmt: skip
    none = first_drops([difference("far", 0.1), difference("near", 0.1)], sets)
    assert none.filter(sweep="offset")["training_set"].to_list() == [None]
    assert shown(none)["first certain drop at"].to_list() == ["none", "none"]
    assert shown(first_drops([], [])).is_empty()
    chance = [replace(row, at_chance=True) for row in rows if row.training_set != "more"]
    assert first_drops(chance, sets).filter(sweep="offset")["training_set"].to_list() == [None]
    twice = [swept(), swept(subset="again")]
    assert first_drops(rows, twice).is_empty(), "equal doses are no sweep"


def test_dose_and_response_groups_what_differs_in_one_dose() -> None:
    sets = [
        swept(subset="baseline", method="all", rank=None, offset=None, test_sets=()),
        swept(subset="reference_only", method="none", rank=None, offset=None, test_sets=()),
        swept(subset="more", offset=-0.1, pruned=70),
        swept(subset="paper"),
        swept(subset="rank5", rank=5, pruned=55),
        swept(subset="alone", test_sets=("sketch", "val"), offset=0.3),
        swept(subset="without", offset=0.1, reference=0),
    ]
    values = [(one.subset, 0, 0.5, 0.1 + 0.1 * place) for place, one in enumerate(sets)]
    rows = [difference("more", -0.2), difference("paper", -0.1), difference("rank5", -0.1)]
    drops = first_drops(rows, sets)
    frame = dose_response.dose_response(
        robustness_rows(values), sets, ("baseline", "reference_only"), drops
    )
    found = {
        (str(sweep), float(fixed)): rows.select("dose", "training_set", "pruned_fraction").rows()
        for (sweep, fixed), rows in frame.group_by("sweep", "fixed")
    }
    assert found == {
        ("offset", 1.0): [(-0.1, "more", 0.7), (0.0, "paper", 0.4)],
        ("rank", 0.0): [(1.0, "paper", 0.4), (5.0, "rank5", 0.55)],
    }
    assert frame["whole"].unique().to_list() == [pytest.approx(0.1)]
    assert frame["none"].unique().to_list() == [pytest.approx(0.2)]
    marked = frame.filter("first_drop").select("sweep", "training_set").rows()
    assert sorted(marked) == [("offset", "paper"), ("rank", "paper")]
    figure = dose_response.draw(frame)
    assert "matched to sketch, rank 1" in texts(figure)
    none = dose_response.dose_response(
        robustness_rows(values), sets[:3], ("baseline", "alone"), first_drops([], sets[:3])
    )
    assert dose_response.draw(none).texts
