"""Effective robustness: out-of-distribution against in-distribution accuracy, on logit axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.results.statistics import Line, confidence_band, fit_line, inverse_logit, logit
from gapmatch.running.errors import InputError
from gapmatch.tables.accuracy import described, read_accuracy
from gapmatch.tables.subsets import TrainingSet, read_training_sets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gapmatch.config.results import Results

TICKS = np.array([0.001, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.97, 0.99, 0.999])
LEAST_DISTANCE = 0.16
"""Between two ticks, as a share of the axis."""
ON_REFERENCE = ("none", "classifier")
"""Methods whose models saw the reference alone: the line of effective robustness is theirs."""
VALUES = ("n", "score", "score_low", "score_high")


def effective_robustness(
    accuracy: pl.DataFrame,
    subsets: Sequence[TrainingSet],
    id_test_set: str,
    classifiers: Sequence[str] = (),
) -> pl.DataFrame:
    """One row per model (training set and seed) and OOD test set, beside its ID accuracy.

    Args:
        accuracy: ``accuracy.accuracy_table``.
        subsets: The table of subsets; training sets that are not in it are left out.
        id_test_set: The in-distribution test set.
        classifiers: Names of the supervised classifiers, one series of method "classifier".

    Returns:
        test_set, metric, series, training_set, method, seed, id_n, id_score, id_score_low,
        id_score_high, n, score, score_low, score_high, and ``statistics.Line`` of the line through
        the models of the methods ``ON_REFERENCE``, in logit space; null where ``_with_line`` draws
        none.

    Raises:
        InputError: No model was evaluated on ``id_test_set``.
    """
    inside = accuracy.filter(pl.col("test_set") == id_test_set)
    if inside.is_empty():
        tests = ", ".join(accuracy["test_set"].unique(maintain_order=True))
        raise InputError(
            f"no model was evaluated on the in-distribution test set {id_test_set!r}; there are "
            f"{tests}: name one of them as id_test_set in the config"
        )
    known = pl.DataFrame(
        {
            "training_set": [*(subset.subset for subset in subsets), *classifiers],
            "method": [*(subset.method for subset in subsets), *["classifier"] * len(classifiers)],
            "series": [*(subset.series for subset in subsets), *["classifiers"] * len(classifiers)],
        }
    )
    columns = inside.select(
        "training_set", "seed", *[pl.col(name).alias(f"id_{name}") for name in VALUES]
    )
    joined = accuracy.filter(pl.col("test_set") != id_test_set).join(
        columns, on=["training_set", "seed"], how="inner", maintain_order="left"
    )
    joined = joined.join(known, on="training_set", how="inner", maintain_order="left")
    parts = [_with_line(rows) for _, rows in joined.group_by("test_set", maintain_order=True)] or [
        _with_line(joined)
    ]
    return pl.concat(parts).select(
        "test_set", "metric", "series", "training_set", "method", "seed",
        *[f"id_{name}" for name in VALUES], *VALUES, *Line._fields,
    )  # fmt: skip


def _with_line(rows: pl.DataFrame) -> pl.DataFrame:
    """Add the line through the models trained on the reference alone.

    Seeds of one training set differ by noise, and a slope fitted to noise misleads: there is a line
    only when the ID accuracies span more than the mean width of their intervals.
    """
    alone = rows.filter(pl.col("method").is_in(ON_REFERENCE))
    accuracy = alone["id_score"].to_numpy()
    widths = (alone["id_score_high"] - alone["id_score_low"]).to_numpy()
    distinct = accuracy.size > 1 and np.ptp(accuracy) > np.mean(widths)
    line = distinct and fit_line(
        logit(alone["id_score"].to_numpy(), alone["id_n"].to_numpy()),
        logit(alone["score"].to_numpy(), alone["n"].to_numpy()),
    )
    values = line or [None] * len(Line._fields)
    return rows.with_columns(
        pl.lit(value, pl.Int64 if name == "points" else pl.Float64).alias(name)
        for name, value in zip(Line._fields, values, strict=True)
    )


@style.styled
def draw(frame: pl.DataFrame, looks: Mapping[str, style.Look], id_test_set: str) -> Figure:
    """One panel per OOD test set."""
    tests = frame["test_set"].unique(maintain_order=True).to_list()
    if not tests:
        return style.say_nothing_to_draw(style.grid(1, 1)[0], "no out-of-distribution test set")
    figure, axes = style.panels(len(tests))
    for panel, test_set in zip(axes, tests, strict=True):
        rows = frame.filter(pl.col("test_set") == test_set)
        _draw_models(panel, rows, looks)
        _draw_lines(panel, rows)
        panel.set_title(described(str(test_set), rows["n"][0], rows["metric"][0]))
    style.label_axes(axes, f"accuracy on {id_test_set} (logit)", "accuracy (logit)")
    style.legend_below(figure, axes)
    return figure


def _bounds(rows: pl.DataFrame, prefix: str) -> NDArray[np.float64]:
    """Logits of accuracy, lower and upper bound; (3, models)."""
    n = rows[f"{prefix}n"].to_numpy()
    names = ("score", "score_low", "score_high")
    return np.stack([logit(rows[f"{prefix}{name}"].to_numpy(), n) for name in names])


def _draw_models(panel: Axes, rows: pl.DataFrame, looks: Mapping[str, style.Look]) -> None:
    for (series,), models in rows.group_by("series", maintain_order=True):
        look = style.look_of(dict(looks), models["training_set"][0])
        x, y = _bounds(models, "id_"), _bounds(models, "")
        panel.errorbar(
            x[0],
            y[0],
            xerr=np.maximum([x[0] - x[1], x[2] - x[0]], 0),
            yerr=np.maximum([y[0] - y[1], y[2] - y[0]], 0),
            color=look.colour,
            marker=look.marker,
            markersize=5,
            linestyle="none",
            elinewidth=0.8,
            label=str(series),
            zorder=3,
        )


def _draw_lines(panel: Axes, rows: pl.DataFrame) -> None:
    """Draw y = x and the fitted line, and label the logit axes in percent."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    for limits, prefix in ((panel.set_xlim, "id_"), (panel.set_ylim, "")):
        values = _bounds(rows, prefix)
        limits(values.min() - 0.35, values.max() + 0.35)
    for axis in (panel.xaxis, panel.yaxis):
        low, high = axis.get_view_interval()
        axis.set_major_locator(FixedLocator(_spaced_ticks(low, high)))
        axis.set_major_formatter(FuncFormatter(_percent_tick))
        axis.set_minor_locator(NullLocator())
    ends = np.array(panel.get_xlim())
    panel.plot(ends, ends, "--", color="#999999", linewidth=1, label="y = x", scaley=False)
    if rows["slope"][0] is not None:
        line = Line(*(rows[name][0] for name in Line._fields))
        x = np.linspace(ends[0], ends[1], 100)
        y = line.slope * x + line.intercept
        label = f"fit to {line.points} models trained on the reference alone"
        panel.plot(x, y, color=style.ORANGE, linewidth=1.2, label=label, scaley=False)
        half = confidence_band(line, x)
        if half is not None:
            bottom, top = panel.get_ylim()
            panel.fill_between(x, y - half, y + half, color=style.ORANGE, alpha=0.15, linewidth=0)
            panel.set_ylim(bottom, top)
    panel.set_xlim(*ends)


def _spaced_ticks(low: float, high: float) -> list[float]:
    """Logits of TICKS inside an axis, as many as leave room for their labels."""
    shown: list[float] = []
    for value in logit(TICKS, np.full(TICKS.size, 10**9)).tolist():
        if low < value < high and (not shown or value - shown[-1] > LEAST_DISTANCE * (high - low)):
            shown.append(value)
    return shown


def _percent_tick(value: float, _position: int | None) -> str:
    return f"{100 * float(inverse_logit(np.array(value))):.3g} %"


def plot(
    *,
    accuracy: Path,
    subsets: Path,
    id_test_set: str,
    classifiers: list[str] | None = None,
    out: Path,
) -> None:
    """Plot accuracy on each out-of-distribution test set against in-distribution accuracy.

    Args:
        accuracy: CSV of the table of accuracies.
        subsets: CSV of the table of subsets.
        id_test_set: Name of the in-distribution test set.
        classifiers: Names of the supervised classifiers.
        out: Path of the figure without suffix.
    """
    known, named = read_training_sets(subsets), classifiers or []
    frame = effective_robustness(read_accuracy(accuracy), known, id_test_set, named)
    style.save(draw(frame, style.palette(known, named), id_test_set), frame, out)


def needs(results: Results, _: str) -> shown.Needs:
    """Return the tables of accuracies, which name the classifiers, and of subsets."""
    tables = {"accuracy": results.table("accuracy"), "subsets": results.table("subsets")}
    return shown.Needs(
        inputs=list(tables.values()),
        arguments={**tables, "classifiers": list(results.study.classifiers)},
        settings={"id_test_set": results.study.figures.id_test_set},
    )


FIGURE = shown.Figure(
    make=plot,
    needs=needs,
    place=80,
    caption=(
        "Effective robustness: accuracy (top-1, where no other metric is named) on each "
        "out-of-distribution test set against accuracy on the in-distribution test set, on logit "
        "axes. Each marker is one trained model (one seed); bars are 95 % percentile bootstrap "
        "intervals over test images, whose number n is given for the out-of-distribution test set. "
        "The dashed line is y = x. The orange line is a least-squares fit, in logit coordinates, "
        "through the models trained on the reference alone (or on a part of it), CLIP's and "
        "supervised classifiers, with its 95 % confidence band where there are three or more; it "
        "is drawn only when their in- distribution accuracies span more than the mean width of "
        "their intervals; otherwise, as with a few seeds of one such model, only the points are "
        "shown."
    ),
)
