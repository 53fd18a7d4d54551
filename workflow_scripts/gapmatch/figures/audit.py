"""The audit in pictures: classes of the tests of which most was pruned, and what was pruned."""

import polars as pl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gapmatch.figures import style
from gapmatch.tables.audit import CLASS
from gapmatch.tables.pictures import PICTURE, decode_picture

CELL = 1.25  # inches
MARGIN = 0.6  # inches above and below the pictures
LETTERS = 24  # of a caption that is shown


@style.styled
def draw(table: pl.DataFrame, title: str, credit: str) -> Figure:
    """A row per class: a test image, then pruned samples with their captions.

    Args:
        table: ``audit.PICTURES_SCHEMA`` and the column ``pictures.PICTURE``.
        title: Line above.
        credit: Line below.
    """
    classes = table.select(CLASS).unique(maintain_order=True).rows()
    if not classes:
        return style.say_nothing_to_draw(style.grid(1, 1)[0], "nothing was pruned")
    columns = max(table["rank"].to_list()) + 1
    widths = [1, 0.2, *[1] * (columns - 1)]
    size = (CELL * sum(widths), 1.3 * CELL * len(classes) + 2 * MARGIN)
    figure = Figure(figsize=size)
    FigureCanvasAgg(figure)
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
        style.draw_picture(panel, picture, text, marked=False, size=6.5, letters=LETTERS)
        if not row["rank"]:
            head = f"{row['test_class']} ({row['test_set']})"
            panel.set_title(style.shortened(head, LETTERS), loc="left", fontsize=7.5, pad=3)
        else:
            panel.set_title(f"{row['similarity']:.3f}", fontsize=7, pad=2)
    figure.text(0.02, 1 - 0.18 / size[1], title, fontsize=11, weight="bold", va="center")
    figure.text(0.02, 0.15 / size[1], credit, color="#666666", fontsize=7)
    return figure
