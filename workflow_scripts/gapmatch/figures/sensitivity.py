"""What would be pruned with other classes left out of the reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.results.table_files import read_csv
from gapmatch.tables.pruned import SENSITIVITY_SCHEMA

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from gapmatch.config.results import Results

PARTS = {True: ("classes of the tests", "-", "o"), False: ("other classes", "--", "s")}
COLOURS = (style.BLUE, style.ORANGE, style.VERMILLION, style.GREY)


@style.styled
def draw(frame: pl.DataFrame, test_set: str) -> Figure:
    """One panel per style: the pruned fraction against the other classes in the reference.

    Args:
        frame: ``tables.pruned.SENSITIVITY_SCHEMA``.
        test_set: Name of the test set that is matched, for the title.
    """
    styles = frame["style"].unique(maintain_order=True).to_list()
    figure, axes = style.panels(len(styles), columns=3, sharey=True)
    for panel, name, colour in zip(axes, styles, COLOURS, strict=False):
        for part, (label, line, marker) in PARTS.items():
            rows = frame.filter((pl.col("style") == name) & (pl.col("test_class") == part)).sort(
                "classes"
            )
            panel.plot(
                rows["classes"], rows["fraction"], line, marker=marker, color=colour, label=label
            )
        panel.set_title(f"{name}, matched to {test_set}")
        panel.set_ylim(-0.03, 1.03)
        style.in_percent(panel.yaxis)
    style.label_axes(axes, "other classes in the reference", "pruned, of the pool samples")
    style.legend_below(figure, axes[-1:])
    return figure


def plot(*, test_set: str, table: Path, out: Path) -> None:
    """Plot how much would be pruned with other classes left out of the reference.

    Args:
        test_set: Name of the test set that is matched, for the title.
        table: CSV of its table of sensitivity.
        out: Path of the figure without suffix.
    """
    frame = read_csv(table, SENSITIVITY_SCHEMA)
    style.save(draw(frame, test_set), frame, out)


def needs(results: Results, test_set: str) -> shown.Needs:
    """Return the table of sensitivity of a test set."""
    table = results.table(f"sensitivity_{test_set}")
    return shown.Needs([table], {"test_set": test_set, "table": table})


FIGURE = shown.Figure(
    make=plot,
    needs=needs,
    place=110,
    each="test_set",
    items=lambda results: results.matched_alone(),
    caption=(
        "How much gap matching to one test set would prune with fewer other classes in the "
        "reference: the reference's images of the tests' classes stay, of its other classes the "
        "given number (nested choices in a seeded order) takes part. Per style of the pool's "
        "samples, those of the tests' classes and those of other classes; the rightmost point is "
        "the study's own reference. All samples of the pool after deduplication are counted, so "
        "there are no intervals; n of each group is in the table of what was pruned."
    ),
)
