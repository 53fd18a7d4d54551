"""Bars of what was pruned."""

import polars as pl

from gapmatch.figures import (
    pruned,
)


def test_pruned_bars_are_the_fractions() -> None:
    frame = pl.DataFrame(
        {
            "subset": ["a", "a", "a", "none"],
            "style": ["line", "line", "photo", "line"],
            "test_class": [True, False, None, True],
            "pool": [10, 20, 5, 10],
            "pruned": [5, 4, 0, 0],
            "fraction": [0.5, 0.2, 0.0, 0.0],
        }
    )
    figure = pruned.draw(frame)
    (panel,) = (panel for panel in figure.axes if panel.get_visible())
    assert panel.get_title() == "a"
    assert sorted(bar.get_height() for bar in panel.patches) == [0.0, 0.2, 0.5]
    assert pruned.draw(frame.filter(pl.col("subset") == "none")).texts
