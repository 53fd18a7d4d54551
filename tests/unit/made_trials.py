"""Trials, their page and exports made by hand, for the tests of the human check."""

from pathlib import Path

import numpy as np
import polars as pl
from programs import ROOT

from gapmatch.human_check.trial_images import TrialImages
from gapmatch.human_check.trials import TRIALS_SCHEMA, arrange
from gapmatch.report.html_template import load_template
from gapmatch.results.pictures import ImageFiles

TEST_SETS = ("val", "sketch")
FOLDER = ROOT / "resources" / "human_check"
STYLE, SCRIPT = ((FOLDER / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))


def made_trials(count: int = 40, seed: int = 0, difference: float = 0.1) -> pl.DataFrame:
    """Return trials of two test sets; every second pool image is nearer."""
    nearer = [0.5 + difference * (-1) ** row for row in range(count)]
    rows = [
        (row, "00000", row, "00000", row, nearer[row], 0.5, TEST_SETS[row % 4 // 2])
        for row in range(count)
    ]
    schema = {
        "test_row": pl.Int32, "pool_chunk": pl.String, "pool_row": pl.Int32,
        "reference_chunk": pl.String, "reference_row": pl.Int32,
        "pool_similarity": pl.Float64, "reference_similarity": pl.Float64, "test_set": pl.String,
    }  # fmt: skip
    main = pl.DataFrame(rows, schema=schema, orient="row")
    unlike = [(row, None, None, "00000", row, None, 0.0, "val") for row in range(12)]
    trials = arrange("made", main, pl.DataFrame(unlike, schema=schema, orient="row"), seed)
    assert dict(trials.schema) == TRIALS_SCHEMA
    return trials


def image_files(results: Path) -> dict[str, ImageFiles]:
    """Return where the images of a made study are (``made_results``)."""
    return TrialImages(
        trials=results / "trials.parquet",
        data=results / "data",
        metadata=results / "embeddings/e",
        pool_chunks=["00000"],
        reference_chunks=["00000"],
        test_sets=list(TEST_SETS),
    ).files()


def made_page(data: dict[str, object]) -> str:
    """Return the page with what it is to show."""
    return load_template(FOLDER / "page.html.j2").render(shown=data)


def answers_of(
    trials: pl.DataFrame, rater: str, other: np.ndarray, start: int = 0
) -> list[tuple[str, str, str, float]]:
    """Return what a rater answers, from a place of the cycle on.

    Args:
        trials: The trials.
        rater: Name.
        other: (trials,) whether the rater chooses the side that is not the reference's image.
        start: Where the rater begins.
    """
    rows = []
    order = np.roll(np.arange(len(trials)), -start)
    for place in order.tolist():
        trial = trials.row(place, named=True)
        on_left = bool(other[place]) != (trial["left"] == "reference")
        rows.append((rater, trial["trial"], "left" if on_left else "right", 1.25))
    return rows


def write_export(path: Path, rows: list[tuple[str, str, str, float]]) -> Path:
    lines = ["rater,trial,choice,seconds", *[",".join(map(str, row)) for row in rows], ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
