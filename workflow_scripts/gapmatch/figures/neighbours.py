"""Picture grids: test images beside their nearest neighbours in the pool and the reference."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.results.pictures import PICTURE, decode_picture
from gapmatch.running.result_files import read_columns
from gapmatch.tables.neighbours import SCHEMA

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gapmatch.config.results import Results

CELL = 1.0  # inches


@style.styled
def draw(table: pl.DataFrame, title: str, credit: str) -> Figure:
    """A row of pictures per test image: it, its pool neighbours, its reference neighbours.

    Args:
        table: SCHEMA and the column ``pictures.PICTURE``.
        title: Line above.
        credit: Line below.
    """
    rows = table["test_row"].unique(maintain_order=True).to_list()
    ranks = {
        dataset: max(table.filter(pl.col("dataset") == dataset)["rank"].to_list(), default=0)
        for dataset in ("pool", "reference")
    }
    widths = [1, 0.25, *[1] * ranks["pool"], 0.25, *[1] * ranks["reference"]]
    first = {"test": 0, "pool": 2, "reference": 3 + ranks["pool"]}
    margin = 0.65  # inches above for titles, below for the legend and the credit
    size = (max(CELL * sum(widths), 4.5), 1.22 * CELL * len(rows) + 2 * margin)
    figure = style.canvas(*size)
    spec = figure.add_gridspec(
        max(len(rows), 1), len(widths), width_ratios=widths, hspace=0.32, wspace=0.06,
        left=0.02, right=0.98, top=1 - margin / size[1], bottom=margin / size[1],
    )  # fmt: skip
    for row in table.iter_rows(named=True):
        column = first[row["dataset"]] + max(row["rank"] - 1, 0)
        panel = figure.add_subplot(spec[rows.index(row["test_row"]), column])
        _draw_picture(panel, row)
        if row["test_row"] == rows[0] and row["rank"] <= 1:
            heads = {"test": "test image", "pool": "nearest in the pool"}
            head = heads.get(row["dataset"], "nearest in the reference")
            panel.set_title(head, loc="left", fontsize=9, pad=5)
    figure.text(0.02, 1 - 0.2 / size[1], title, fontsize=11, weight="bold", va="center")
    note = "thick frame: nearer than the nearest reference image, so gap matching prunes it"
    figure.text(0.02, 0.38 / size[1], note, color=style.VERMILLION, fontsize=8)
    figure.text(0.02, 0.15 / size[1], credit, color="#666666", fontsize=7)
    return figure


def _draw_picture(panel: Axes, row: Mapping[str, Any]) -> None:
    similarity = row["similarity"]
    style.draw_picture(
        panel,
        decode_picture(row[PICTURE]),
        text=str(row["class_name"] or "") if similarity is None else f"{similarity:.3f}",
        marked=row["nearer"],
        size=8 if row["rank"] else 7,
    )


def plot(*, test_set: str, table: Path, credit: str = "", out: Path) -> None:
    """Plot pictures of test images beside their nearest neighbours in the pool and the reference.

    Args:
        test_set: Name of the test set, for the title.
        table: Parquet of its table of neighbours.
        credit: Line under the figure, such as the artists' names.
        out: Path of the figure without suffix.
    """
    frame = read_columns(table, [*SCHEMA, PICTURE])
    known = max(frame["test_images"].to_list(), default=0)
    title = f"{test_set}: {frame['test_row'].n_unique()} of {known:,} test images"
    style.save(draw(frame, title, credit), frame.drop(PICTURE), out)


def needs(results: Results, test_set: str) -> shown.Needs:
    """Return the pictures of the neighbours of a test set."""
    table = results.table(f"neighbours_{test_set}", "parquet")
    settings = {"credit": results.study.figures.credit}
    return shown.Needs([table], {"test_set": test_set, "table": table}, settings)


FIGURE = shown.Figure(
    make=plot,
    needs=needs,
    place=120,
    each="test_set",
    items=lambda results: results.test_sets,
    paper=("fig1",),
    caption=(
        "Test images (left), drawn at random with a fixed seed from as many different classes as "
        "possible, with their nearest neighbours in the pool before pruning (middle) and in the "
        "reference (right). The number under a picture is its cosine similarity to the test image "
        "in the space of the embedder. Thick frames mark pool images that are nearer to the test "
        "image than the nearest reference image: these are what gap-matched pruning (with rank 1 "
        "and offset 0) removes. The title gives how many test images are shown and how many there "
        "are; there is no interval, as nothing is estimated."
    ),
)
