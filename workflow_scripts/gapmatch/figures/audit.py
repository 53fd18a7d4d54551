"""The audit in pictures: classes of the tests of which most was pruned, and what was pruned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.results.audit_pictures import CLASS, PICTURES_SCHEMA
from gapmatch.results.pictures import PICTURE, decode_picture
from gapmatch.running.result_files import read_columns
from gapmatch.tables.audit import audited

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gapmatch.config.results import Results

CELL = 1.25  # inches
MARGIN = 0.6  # inches above and below the pictures
LETTERS, LINES = 21, 2  # of a caption that is shown


@style.styled
def draw(table: pl.DataFrame, title: str, credit: str) -> Figure:
    """A row per class: a test image, then pruned samples with their captions.

    Args:
        table: ``audit_pictures.PICTURES_SCHEMA`` and the column ``pictures.PICTURE``.
        title: Line above.
        credit: Line below.
    """
    classes = table.select(CLASS).unique(maintain_order=True).rows()
    if not classes:
        return style.say_nothing_to_draw(style.grid(1, 1)[0], "nothing was pruned")
    columns = max(table["rank"].to_list()) + 1
    widths = [1, 0.2, *[1] * (columns - 1)]
    size = (CELL * sum(widths), 1.3 * CELL * len(classes) + 2 * MARGIN)
    figure = style.canvas(*size)
    spec = figure.add_gridspec(
        len(classes), len(widths), width_ratios=widths, hspace=0.45, wspace=0.1,
        left=0.02, right=0.98, top=1 - MARGIN / size[1], bottom=MARGIN / size[1],
    )  # fmt: skip
    for row in table.iter_rows(named=True):
        column = row["rank"] + 1 if row["rank"] else 0
        line = classes.index((row["test_set"], row["test_class"]))
        panel = figure.add_subplot(spec[line, column])
        text = str(row["caption"] or "") if row["rank"] else f"{row['pruned']:,} pruned"
        picture = decode_picture(row[PICTURE])
        style.draw_picture(
            panel, picture, text, marked=False, size=6.5, letters=LETTERS, lines=LINES
        )
        if not row["rank"]:
            head = f"{row['test_class']} ({row['test_set']})"
            panel.set_title(style.shortened(head, LETTERS), loc="left", fontsize=7.5, pad=3)
        else:
            panel.set_title(f"{row['similarity']:.3f}", fontsize=7, pad=2)
    figure.text(0.02, 1 - 0.18 / size[1], title, fontsize=11, weight="bold", va="center")
    figure.text(0.02, 0.15 / size[1], credit, color="#666666", fontsize=7)
    return figure


def plot(*, subset: str, table: Path, credit: str = "", out: Path) -> None:
    """Plot what gap matching pruned: pictures by class of the test images that they resemble.

    Args:
        subset: Name of the subset, for the title.
        table: Parquet of the audit of the subset.
        credit: Line under the figure, such as the artists' names.
        out: Path of the figure without suffix.
    """
    frame = read_columns(table, [*PICTURES_SCHEMA, PICTURE])
    title = f"Pruned for {subset}: the classes that lose most"
    style.save(draw(frame, title, credit), frame.drop(PICTURE), out)


def needs(results: Results, subset: str) -> shown.Needs:
    """Return the pictures of the audit."""
    table = results.table(f"audit_{subset}", "parquet")
    settings = {"subset": subset, "credit": results.study.figures.credit}
    return shown.Needs([table], {"table": table}, settings)


FIGURE = shown.Figure(
    make=plot,
    needs=needs,
    place=100,
    each="subset",
    items=audited,
    caption=(
        "What gap matching pruned: for the classes that lose most, a test image (left) and those "
        "pruned samples of the pool whose margins over the threshold are largest. Above a sample "
        "stands its cosine similarity to the nearest test image, below it the beginning of its "
        "caption. The number under the test image, n, counts all pruned samples that resemble its "
        "class; as all are counted, there is no interval."
    ),
)
