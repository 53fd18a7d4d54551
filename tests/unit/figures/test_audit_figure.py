"""The audit of a subset shows each class in a row."""

from pathlib import Path

import polars as pl
from made_results import made_sources

from gapmatch.drawing import style
from gapmatch.figures import audit as audit_figure
from gapmatch.results import audit_pictures


def test_audit_shows_each_class_in_a_row(results: Path, tmp_path: Path) -> None:
    sources = made_sources(results)
    places = pl.DataFrame(
        [
            ("sketch", "cat", 7, "sketch", 0, None, None, "00000", 5),
            ("sketch", "cat", 7, "pool", 1, 0.91, 0.2, "00000", 9),
            ("sketch", "cat", 7, "pool", 2, 0.90, 0.1, "00001", 3),
            ("sketch", "$5_{ or $6}$", 2, "sketch", 0, None, None, "00000", 6),
            ("sketch", "$5_{ or $6}$", 2, "pool", 1, 0.89, 0.1, "00001", 4),
        ],
        schema=audit_pictures.PLACES_SCHEMA,
        orient="row",
    )
    named = {"pool": sources["pool"], "sketch": sources["test"]}
    frame = audit_pictures.add_pictures(places, named)
    assert frame.select(places.columns).rows() == places.rows()
    figure = audit_figure.draw(frame, "What was pruned", "Artwork: somebody")
    assert {"What was pruned", "Artwork: somebody"} <= {one.get_text() for one in figure.texts}
    titles = [panel.get_title(loc="left") for panel in figure.axes]
    assert {"cat (sketch)", "$5_{ or $6}$ (sketch)"} <= set(titles)
    assert figure.axes[0].get_xlabel() == "7 pruned"
    style.save(figure, frame.drop("picture"), tmp_path / "audit")
    assert audit_figure.draw(frame.head(0), "", "").texts
