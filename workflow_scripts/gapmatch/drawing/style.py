"""The look that all figures share, and how they are saved.

Every Snakemake process imports the modules of the figures, and matplotlib would take it half a
second: functions that need it import it.
"""

from __future__ import annotations

import logging
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np
import polars as pl
from PIL import Image

from gapmatch.running.atomic import atomic_path, write_text
from gapmatch.subset.method import methods
from gapmatch.tables.subsets import TrainingSet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same glyphs everywhere
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "pdf.fonttype": 42,  # text stays text
    "text.parse_math": False,  # captions and names hold dollar signs
    "figure.dpi": 150,
}
PANEL_WIDTH = 2.7  # inches
PANEL_HEIGHT = 2.3
MINIMUM_WIDTH = 4.8  # room for the legend below a single panel

# Okabe & Ito's colours (2008) and, past them, Paul Tol's: told apart with any colour vision.
BLACK, ORANGE, BLUE, VERMILLION, GREY = "#000000", "#E69F00", "#0072B2", "#D55E00", "#8c8c8c"
BROWN = "#661100"
# Of lengths without a common factor: what shares a colour does not share a marker.
GAP_MATCH_COLOURS = ("#009E73", "#CC79A7", "#56B4E9", "#332288", "#B8860B", "#882255", "#DDCC77")
GAP_MATCH_MARKERS = ("D", "^", "v", "P", "X", "p", "d", "8")
MARKERS = ("o", "s", "h", *GAP_MATCH_MARKERS, "<", ">", "H")
# Of what has an order: ColorBrewer's, without the palest.
LIGHT_TO_DARK_BLUE = ("#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b")
LIGHT_TO_DARK_RED = ("#fc9272", "#fb6a4a", "#de2d26", "#a50f15", "#67000d")
LINE_STYLES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Look:
    """How one training set is drawn in every figure; those of one curve look alike.

    Attributes:
        colour: As matplotlib has it.
        marker: As matplotlib has it.
        line: Style of the line of its curve, where it is on one.
    """

    colour: str
    marker: str
    line: str = "-"


def palette(subsets: Sequence[TrainingSet], classifiers: Sequence[str] = ()) -> dict[str, Look]:
    """The look of each training set: by its method, and the place of its curve among the method's.

    No two share colour and marker, unless they are of one curve or markers run out.
    """
    looks = {name: Look(BROWN, "*") for name in classifiers}
    of_series: dict[str, Look] = {}
    places = Counter[str]()
    taken: set[tuple[str, str]] = set()
    for subset in subsets:
        if subset.series not in of_series:
            place = places[subset.method]
            places[subset.method] += 1
            colour, markers = _colour_and_markers(subset.method, place)
            marker = next((one for one in markers if (colour, one) not in taken), markers[0])
            taken.add((colour, marker))
            line = LINE_STYLES[place % len(LINE_STYLES)]
            of_series[subset.series] = Look(colour, marker, line)
        looks[subset.subset] = of_series[subset.series]
    return looks


def _colour_and_markers(method: str, place: int) -> tuple[str, Sequence[str]]:
    """Return the colour of a method's curve of a place, and its markers in the order of choice."""
    if method == "gap_match":
        first = place % len(GAP_MATCH_MARKERS)
        markers = GAP_MATCH_MARKERS[first:] + GAP_MATCH_MARKERS[:first]
        return GAP_MATCH_COLOURS[place % len(GAP_MATCH_COLOURS)], markers
    own = methods()[method]
    return own.colour, (own.marker, *(one for one in MARKERS if one != own.marker))


def look_of(looks: dict[str, Look], name: str) -> Look:
    """The look of a training set; grey for one without a summary."""
    return looks.get(name, Look(GREY, "o"))


def styled(draw: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorate a drawing function so that it runs under ``RC`` and nothing else."""

    @wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        import matplotlib as mpl

        with mpl.rc_context():
            mpl.rcdefaults()
            mpl.rcParams.update(RC)
            return draw(*args, **kwargs)

    return drawn


def panels(count: int, columns: int = 3, **sharing: Any) -> tuple[Figure, list[Axes]]:
    """A figure with ``count`` panels, at most ``columns`` in a row."""
    columns = min(columns, max(count, 1))
    rows = -(-max(count, 1) // columns)
    figure, axes = grid(rows, columns, **sharing)
    flat = [axes[row, column] for row in range(rows) for column in range(columns)]
    for unused in flat[count:]:
        unused.set_visible(False)
    for lowest in flat[max(count - columns, 0) : count]:
        lowest.tick_params(labelbottom=True)  # shared axes hide them above an unused panel
    return figure, flat[:count]


def canvas(width: float, height: float, **settings: Any) -> Figure:
    """An empty figure of a size in inches, without pyplot's global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), **settings)
    FigureCanvasAgg(figure)
    return figure


def in_percent(axis: Axis) -> None:
    """Label an axis of fractions in percent."""
    from matplotlib.ticker import PercentFormatter

    axis.set_major_formatter(PercentFormatter(1.0))


def bars(rows: pl.DataFrame, value: str) -> np.ndarray[Any, Any]:
    """Return (2, rows): how far intervals reach below and above a value, for error bars.

    Rounding may put a bound on the wrong side of the value; the bar there then has length 0.

    Args:
        rows: With the columns VALUE, VALUE_low and VALUE_high.
        value: Name of the column.
    """
    middle, low, high = (rows[f"{value}{bound}"].to_numpy() for bound in ("", "_low", "_high"))
    return np.stack([middle - low, high - middle]).clip(min=0)


def grid(rows: int, columns: int, **sharing: Any) -> tuple[Figure, np.ndarray[Any, Any]]:
    """A figure with rows x columns panels."""
    width = max(PANEL_WIDTH * columns, MINIMUM_WIDTH)
    figure = canvas(width, PANEL_HEIGHT * rows, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, **sharing)


def label_axes(axes: Sequence[Axes], x: str, y: str) -> None:
    """Label the lowest panel of each column with ``x`` and the first of each row with ``y``."""
    lowest = {}
    for panel in axes:
        place = panel.get_subplotspec()
        if place is None:
            continue
        lowest[place.colspan.start] = panel
        if place.is_first_col():
            panel.set_ylabel(y)
    for panel in lowest.values():
        panel.set_xlabel(x)


def legend_below(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend below all panels, with each label once, in order of appearance."""
    entries: dict[str, Any] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if not entries:
        return
    longest = max(len(label) for label in entries)
    fitting = int(figure.get_figwidth() / (0.065 * longest + 0.6))  # inches per letter, key
    columns = max(1, min(fitting, len(entries)))
    figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=columns)
    figure.set_figheight(figure.get_figheight() + 0.15 + 0.19 * -(-len(entries) // columns))


def draw_picture(
    panel: Axes,
    image: Image.Image,
    text: str,
    *,
    marked: bool,
    size: float,
    letters: int = 17,
    lines: int = 1,
) -> None:
    """Show a picture on a white square, with a text below; a thick frame marks it.

    Args:
        panel: To draw in.
        image: The picture.
        text: What is below; its beginning, where it is longer than the lines.
        marked: Whether the frame is thick.
        size: Of the letters, in points.
        letters: Most characters in a line.
        lines: Most of the text.
    """
    side = max(image.size)
    square = Image.new("RGB", (side, side), "white")
    square.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    panel.imshow(np.asarray(square), interpolation="nearest")
    panel.grid(visible=False)
    panel.set_xticks([])
    panel.set_yticks([])
    for spine in panel.spines.values():
        spine.set(
            visible=True,
            color=VERMILLION if marked else "#bbbbbb",
            linewidth=2.2 if marked else 0.6,
        )
    cut = textwrap.wrap(text, letters, max_lines=lines, placeholder="\N{HORIZONTAL ELLIPSIS}")
    panel.set_xlabel("\n".join(cut), fontsize=size, labelpad=2)


def shortened(text: str, letters: int) -> str:
    """Return a text of at most so many letters."""
    return text if len(text) <= letters else f"{text[: letters - 1]}\N{HORIZONTAL ELLIPSIS}"


def say_nothing_to_draw(figure: Figure, reason: str) -> Figure:
    """Write into an empty figure why it is empty."""
    figure.text(0.5, 0.5, reason, ha="center", va="center", wrap=True)
    return figure


@styled
def save(figure: Figure, frame: pl.DataFrame, stem: Path) -> None:
    """Write STEM.pdf, STEM.png (150 dpi) and STEM.csv, the numbers that were drawn.

    No file holds a date, so equal figures are equal bytes.
    """
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells each table it drops
    with atomic_path(stem.with_name(f"{stem.name}.pdf")) as pdf:
        figure.savefig(pdf, metadata={"CreationDate": None})
    with atomic_path(stem.with_name(f"{stem.name}.png")) as png:
        figure.savefig(png, dpi=150, metadata={"Software": None})
    write_text(stem.with_name(f"{stem.name}.csv"), frame.write_csv())
