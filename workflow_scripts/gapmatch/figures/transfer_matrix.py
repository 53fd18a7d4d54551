"""The transfer matrix: pruned for one test set, tested on all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.drawing import style
from gapmatch.evaluate.metrics import DIRECTIONS, NAMES, TOP1
from gapmatch.results import shown
from gapmatch.tables.differences import COMPARED, Difference, read_differences
from gapmatch.tables.subsets import TrainingSet, read_training_sets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gapmatch.config.results import Results

CELL = 0.46
"""Inches of a cell, which holds a number of three digits."""
LETTER = 0.062
"""Inches of a letter of the labels."""
DARK = 0.6
"""Share of the largest difference from which a cell is dark."""
SCHEMA = {
    "training_set": pl.String,
    "matched": pl.Boolean,
    "pruned": pl.Int64,
    **COMPARED,
}
DIRECTION_SIGNS = dict(
    zip(
        (f"{one}_1" for one in DIRECTIONS),
        ("i\N{RIGHTWARDS ARROW}t", "t\N{RIGHTWARDS ARROW}i"),
        strict=True,
    )
)


def transfer(
    differences: Sequence[Difference], subsets: Sequence[TrainingSet], rows: Sequence[str]
) -> pl.DataFrame:
    """One row per gap-matched subset and score, with the columns of ``SCHEMA``.

    Args:
        differences: From the baseline, of all training sets.
        subsets: The table of subsets.
        rows: The subsets to show, in their order.
    """
    known = {one.subset: one for one in subsets}
    return pl.DataFrame(
        [
            {
                **{name: value for name, value in vars(row).items() if name in SCHEMA},
                "matched": row.test_set in known[subset].test_sets,
                "pruned": known[subset].pruned,
            }
            for subset in rows
            for row in differences
            if row.training_set == subset
        ],
        schema=SCHEMA,
    )


@style.styled
def draw(frame: pl.DataFrame) -> Figure:
    """Subsets from top to bottom, scores from left to right; a number in points in each cell."""
    sets = frame.unique("training_set", maintain_order=True)
    names = [
        f"{name}  ({pruned:,})"
        for name, pruned in sets.select("training_set", "pruned").iter_rows()
    ]
    scores = list(frame.select("test_set", "metric").unique(maintain_order=True).iter_rows())
    heads = [_head(*score) for score in scores]
    width = CELL * len(heads) + LETTER * max(map(len, names)) + 1.2
    height = 0.6 * CELL * len(names) + LETTER * max(map(len, heads)) + 0.6
    figure = style.canvas(max(width, style.MINIMUM_WIDTH), height, layout="constrained")
    panel = figure.subplots()
    places = {name: row for row, name in enumerate(sets["training_set"])}
    values = np.full((len(names), len(heads)), np.nan)
    for row in frame.iter_rows(named=True):
        place = places[row["training_set"]], scores.index((row["test_set"], row["metric"]))
        values[place] = 100 * row["difference"] if _is_told(row) else np.nan
    largest = float(np.nanmax(np.abs(values), initial=1))
    for row in frame.iter_rows(named=True):
        place = places[row["training_set"]], scores.index((row["test_set"], row["metric"]))
        _write(panel, place, row, dark=abs(values[place]) > DARK * largest)
    drawn = panel.imshow(values, cmap="RdBu", vmin=-largest, vmax=largest, aspect="auto")
    panel.set_xticks(range(len(heads)), heads, rotation=60, ha="left", rotation_mode="anchor")
    panel.set_yticks(range(len(names)), names)
    panel.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
    panel.grid(visible=False)
    bar = figure.colorbar(drawn, ax=panel, shrink=0.8, pad=0.02)
    bar.set_label("points")
    return figure


def _is_told(row: Mapping[str, object]) -> bool:
    """Return whether a difference is one: between two models at chance it means nothing."""
    return bool(row["distinguishable"]) and not row["at_chance"]


def _head(test_set: str, metric: str) -> str:
    if metric == TOP1:
        return test_set
    return f"{test_set}, {DIRECTION_SIGNS.get(metric, NAMES[metric])}"


def _write(panel: Axes, place: tuple[int, int], row: Mapping[str, object], dark: bool) -> None:
    """Write the number of a cell, pale where it is not told from none; frame what was matched."""
    from matplotlib.patches import Rectangle

    told = _is_told(row)
    panel.text(
        place[1],
        place[0],
        f"{100 * float(str(row['difference'])):+.1f}",
        ha="center",
        va="center",
        fontsize=6.5,
        fontweight="bold" if told else "normal",
        fontstyle="normal" if told else "italic",
        color="#ffffff" if dark else "#000000" if told else "#666666",
    )
    if row["matched"]:
        frame = Rectangle((place[1] - 0.47, place[0] - 0.46), 0.94, 0.92, fill=False, linewidth=1.4)
        panel.add_patch(frame)


def plot(*, differences: Path, subsets: Path, rows: list[str], out: Path) -> None:
    """Plot what gap matching to each test set costs on every test set.

    Args:
        differences: CSV of the table of differences.
        subsets: CSV of the table of subsets.
        rows: The gap-matched subsets to show, in their order.
        out: Path of the figure without suffix.
    """
    frame = transfer(read_differences(differences), read_training_sets(subsets), rows)
    style.save(draw(frame), frame, out)


def matched_subsets(results: Results) -> list[str]:
    """Return the subsets that are gap-matched as in the paper, each to other test sets.

    That is by the search's embedder, with rank 1, no offset and the whole reference; to single test
    sets first, in the order of the test sets, then to several.
    """
    order = results.test_sets
    found: dict[tuple[int, ...], str] = {}
    for name in results.as_paper():
        if results.study.subset_embedder(name) == results.embedder:
            matched = sorted(order.index(test) for test in results.study.subset_test_sets(name))
            found.setdefault(tuple(matched), name)
    return [found[key] for key in sorted(found, key=lambda key: (len(key), key))]


def needs(results: Results, _: str) -> shown.Needs:
    """Return the tables of differences and of subsets."""
    tables = {"differences": results.table("differences"), "subsets": results.table("subsets")}
    rows = matched_subsets(results)
    return shown.Needs(list(tables.values()), {**tables, "rows": rows})


FIGURE = shown.Figure(
    make=plot,
    needs=needs,
    items=lambda results: [""] if len(matched_subsets(results)) > 1 else [],
    place=62,
    caption=(
        "The transfer matrix. Each row is a subset that is gap-matched to the framed test sets, "
        "with the number of images pruned; each column is a test set. Cells are differences from "
        "the baseline in points: below zero (red) is worse, above (blue) better. The metric is "
        "top-1 accuracy where no other is named; of retrieval it is recall at 1, from image to "
        "text and from text to image. Bold: the 95 % interval (paired bootstrap over images and "
        "seeds) leaves out zero. Grey italics without a colour: it does not, or both models are no "
        "better than chance. n and bounds are in the CSV. No correction is made for the number of "
        "cells."
    ),
)
