"""Dose and response: the sweeps that a study holds."""

import pytest
from drawn import texts
from made_results import robustness_rows

from gapmatch.figures import (
    dose_response,
)
from gapmatch.tables.subsets import TrainingSet


def swept(**differences: object) -> TrainingSet:
    alike = {
        "subset": "a", "method": "gap_match", "test_sets": ("sketch",), "rank": 1, "offset": 0.0,
        "embedder": "e", "pool": 100, "kept": 60, "pruned": 40, "reference": 70,
    }  # fmt: skip
    return TrainingSet(**(alike | differences))


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
    frame = dose_response.dose_response(
        robustness_rows(values), sets, ("baseline", "reference_only")
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
    figure = dose_response.draw(frame)
    assert "matched to sketch, rank 1" in texts(figure)
    none = dose_response.dose_response(robustness_rows(values), sets[:3], ("baseline", "alone"))
    assert dose_response.draw(none).texts
