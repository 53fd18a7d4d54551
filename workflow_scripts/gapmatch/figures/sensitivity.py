"""What would be pruned with other classes left out of the reference."""

import polars as pl
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from gapmatch.figures import style

PARTS = {True: ("classes of the tests", "-", "o"), False: ("other classes", "--", "s")}
COLOURS = (style.BLUE, style.ORANGE, style.VERMILLION, style.GREY)


@style.styled
def draw(frame: pl.DataFrame, test_set: str) -> Figure:
    """One panel per style: the pruned fraction against the other classes in the reference.

    Args:
        frame: ``composition.SENSITIVITY_SCHEMA``.
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
        panel.yaxis.set_major_formatter(PercentFormatter(1.0))
    style.label_axes(axes, "other classes in the reference", "pruned, of the pool samples")
    style.legend_below(figure, axes[-1:])
    return figure
