"""Profiles are drawn for what was matched."""

from pathlib import Path

import polars as pl
from made_results import TESTS

from gapmatch.drawing import style
from gapmatch.figures import (
    profile,
)
from gapmatch.tables import profile as tables_profile
from gapmatch.tables.subsets import TrainingSet


def test_profile_is_drawn_for_what_was_matched(sets: list[TrainingSet], tmp_path: Path) -> None:
    rows = [
        (name, test, rank, curve, 0.9 / rank, 0.8 / rank, 0.95 / rank)
        for name in ("baseline", "sketch_pruned", "combined_pruned")
        for test in TESTS
        for rank in (1, 2, 3)
        for curve in ("pool", "reference", "training set")
    ]
    frame = pl.DataFrame(rows, schema=tables_profile.SCHEMA, orient="row")
    frame = frame.with_columns(mean=pl.when(pl.col("rank") < 3).then("mean"))
    figure = profile.draw(frame, sets, "baseline")
    titles = [panel.get_title() for panel in figure.axes if panel.get_visible()]
    assert titles == ["sketch_pruned\non sketch", *[f"combined_pruned\non {t}" for t in TESTS]]
    assert list(figure.axes[0].get_lines()[0].get_xdata()) == [1, 2]
    style.save(figure, frame, tmp_path / "profile")
    ticks = [label.get_text() for label in figure.axes[-1].get_xticklabels()]
    assert ticks == ["1", "2", "5", "10", "20", "50"]
    assert profile.draw(frame, [one for one in sets if one.method == "all"], "baseline").texts
