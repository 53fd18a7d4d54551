"""Dose and response: what gap matching prunes, and accuracy, by offset and by matched rank."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.drawing import style
from gapmatch.results import shown
from gapmatch.tables.accuracy import described, over_seeds, read_accuracy
from gapmatch.tables.first_drop import Sweep, read_first_drops, sweeps, swept
from gapmatch.tables.subsets import TrainingSet, read_training_sets

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from gapmatch.config.results import Results

SWEEPS = {"offset": "offset of the threshold", "rank": "matched rank"}


def dose_response(
    accuracy: pl.DataFrame,
    subsets: Sequence[TrainingSet],
    bounds: tuple[str, str],
    drops: pl.DataFrame,
) -> pl.DataFrame:
    """Sweeps among the gap-matched subsets: equal but for the offset, or but for the rank.

    Args:
        accuracy: ``accuracy.accuracy_table``.
        subsets: The table of subsets.
        bounds: The subsets that keep the whole pool and nothing of it.
        drops: ``first_drop.first_drops``.

    Returns:
        sweep ("offset" or "rank"), matched (the test sets), fixed (the value of the other),
        dose, training_set, pruned_fraction, test_set (those matched), metric, seeds, n, score,
        score_low, score_high, spread, whole, none (score of the two bounds), first_drop (whether
        it is the first certain drop of this sweep on this test set).
    """
    means = over_seeds(accuracy)
    parts = [_sweep(sweep, means, bounds) for sweep in sweeps(subsets)]
    if not parts:
        return pl.DataFrame()
    on = ["sweep", "matched", "fixed", "test_set", "metric", "training_set"]
    first = drops.select(on).with_columns(first_drop=True)
    joined = pl.concat(parts).join(first, on=on, how="left", maintain_order="left")
    return joined.with_columns(pl.col("first_drop").fill_null(value=False))


def _sweep(sweep: Sweep, means: pl.DataFrame, bounds: tuple[str, str]) -> pl.DataFrame:
    group = sweep.subsets
    known = pl.DataFrame(
        {
            "sweep": sweep.sweep,
            "matched": sweep.matched,
            "fixed": sweep.fixed,
            "dose": [sweep.dose(one) for one in group],
            "training_set": [one.subset for one in group],
            "pruned_fraction": [one.pruned / max(one.pool, 1) for one in group],
        }
    )
    shown = means.filter(pl.col("test_set").is_in(list(group[0].test_sets)))
    rows = known.join(shown, on="training_set", how="inner", maintain_order="left_right")
    for column, bound in zip(("whole", "none"), bounds, strict=True):
        of_bound = means.filter(pl.col("training_set") == bound)
        named = of_bound.select("test_set", pl.col("score").alias(column))
        rows = rows.join(named, on="test_set", how="left", maintain_order="left")
    return rows


@style.styled
def draw(frame: pl.DataFrame) -> Figure:
    """A row per sweep: the pruned fraction on the left, accuracy on the matched sets beside it."""
    if frame.is_empty():
        figure = style.grid(1, 1)[0]
        return style.say_nothing_to_draw(figure, "no gap-matched subsets that differ in one dose")
    groups = list(frame.group_by("sweep", "matched", "fixed", maintain_order=True))
    figure, axes = style.grid(len(groups), 2)
    for row, ((sweep, matched, fixed), rows) in enumerate(groups):
        other = f"rank {fixed:g}" if sweep == "offset" else f"offset {fixed:g}"
        _draw_pruned(axes[row, 0], rows)
        _draw_accuracy(axes[row, 1], rows)
        axes[row, 0].set_title(f"matched to {_shortened(str(matched))}, {other}", fontsize=8.5)
        for panel in axes[row]:
            panel.set_xlabel(SWEEPS[str(sweep)])
            _place_ticks(panel, str(sweep), rows["dose"].unique().to_numpy())
    style.legend_below(figure, list(axes[:, 1]))
    return figure


def _shortened(names: str) -> str:
    parts = names.split(", ")
    return names if len(parts) < 3 else f"{len(parts)} test sets"


def _place_ticks(panel: Axes, sweep: str, doses: np.ndarray) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    if sweep == "rank":
        panel.set_xscale("log")
        panel.xaxis.set_major_formatter(ScalarFormatter())
    panel.xaxis.set_major_locator(FixedLocator(sorted(doses.tolist())))
    panel.xaxis.set_minor_locator(NullLocator())
    style.in_percent(panel.yaxis)
    panel.set_ylim(bottom=0)


def _draw_pruned(panel: Axes, rows: pl.DataFrame) -> None:
    points = rows.unique("dose", maintain_order=True)
    panel.plot(points["dose"], points["pruned_fraction"], color=style.BLACK, marker="o")
    panel.set_ylabel("pruned, of the pool")


def _draw_accuracy(panel: Axes, rows: pl.DataFrame) -> None:
    for index, ((test_set,), points) in enumerate(rows.group_by("test_set", maintain_order=True)):
        colour = style.GAP_MATCH_COLOURS[index % len(style.GAP_MATCH_COLOURS)]
        marker = style.GAP_MATCH_MARKERS[index % len(style.GAP_MATCH_MARKERS)]
        panel.errorbar(
            points["dose"].to_numpy(),
            points["score"].to_numpy(),
            yerr=style.bars(points, "score"),
            color=colour,
            marker=marker,
            markersize=5,
            elinewidth=0.9,
            label=described(str(test_set), points["n"][0], points["metric"][0]),
        )
        first = points.filter("first_drop")
        panel.plot(
            first["dose"], first["score"], "o", color=colour, fillstyle="none", markersize=12
        )
        for bound, line in (("whole", "--"), ("none", ":")):
            if points[bound][0] is not None:
                panel.axhline(points[bound][0], color=colour, linestyle=line, linewidth=0.8)
    panel.set_ylabel("accuracy")


def plot(
    *,
    accuracy: Path,
    subsets: Path,
    first_drop: Path,
    baseline: str,
    reference_only: str,
    out: Path,
) -> None:
    """Plot what is pruned, and accuracy, against the offset and the rank of gap matching.

    Args:
        accuracy: CSV of the table of accuracies.
        subsets: CSV of the table of subsets.
        first_drop: CSV of the table of first certain drops.
        baseline: The subset that keeps the whole pool.
        reference_only: The subset that keeps none of it.
        out: Path of the figure without suffix.
    """
    bounds = (baseline, reference_only)
    drops = read_first_drops(first_drop)
    frame = dose_response(read_accuracy(accuracy), read_training_sets(subsets), bounds, drops)
    style.save(draw(frame), frame, out)


def needs(results: Results, _: str) -> shown.Needs:
    """Return the tables of accuracies, of subsets and of first drops."""
    tables = {name: results.table(name) for name in ("accuracy", "subsets", "first_drop")}
    figures = results.study.figures
    settings = {"baseline": figures.baseline, "reference_only": figures.reference_only}
    return shown.Needs(list(tables.values()), tables, settings)


FIGURE = shown.Figure(
    make=plot,
    needs=needs,
    place=70,
    items=lambda results: [""] if swept(results) else [],
    caption=(
        "Dose and response of gap matching: the fraction of the pool that is pruned (left) and "
        "accuracy on the matched test sets (right; top-1, where no other metric is named) against "
        "the offset on the similarity threshold, or against the matched rank, all else being "
        "equal. An offset below zero prunes more than the paper's matching, one above zero less; a "
        "higher rank prunes more. A ring marks the first certain drop: the dose that prunes the "
        "fewest images among those whose difference from the baseline has an interval below zero "
        "(table first drop). Dashed lines are the accuracies with the whole pool, dotted ones "
        "those of the reference alone. The numbers of test images n are in the table of accuracy. "
        "Bars are 95 % percentile bootstrap intervals over test images; for several seeds, "
        "accuracy and bounds are averaged over seeds."
    ),
)
