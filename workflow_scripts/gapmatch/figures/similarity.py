"""Histograms of nearest-neighbour similarity: the similarity gap, and what matching does to it."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gapmatch.figures import style
from gapmatch.tables.summaries import Subset

BINS = 30
CURVES = {  # label, colour, filled, line style
    "pool before": ("pool, before pruning", style.GREY, True, "-"),
    "pool after": ("pool, after pruning", style.BLUE, False, "-"),
    "reference": ("reference", style.ORANGE, False, "-"),
    "training set after": ("pool after pruning + reference", style.BLACK, False, ":"),
}

HISTOGRAM = {
    "bin_low": pl.Float64,
    "bin_high": pl.Float64,
    "count": pl.Int64,
    "fraction": pl.Float64,
    "median": pl.Float64,
}
GAP_SCHEMA = {"test_set": pl.String, "curve": pl.String, **HISTOGRAM, "nearer": pl.Float64}
PRUNED_SCHEMA = {
    "subset": pl.String,
    "test_set": pl.String,
    "matched": pl.Boolean,
    "curve": pl.String,
    **HISTOGRAM,
}


def bin_edges(frames: Sequence[pl.DataFrame]) -> NDArray[np.float64]:
    """Edges of ``BINS`` equal bins that hold every similarity of every frame; (BINS + 1,)."""
    values = pl.concat(
        [pl.concat([frame["reference_similarity"], frame["pool_similarity"]]) for frame in frames]
    ).drop_nulls()
    if values.is_empty():
        return np.linspace(0.0, 1.0, BINS + 1)
    low, high = float(values.to_numpy().min()), float(values.to_numpy().max())
    return np.linspace(low, max(high, low + 1e-3), BINS + 1)


def _counts(values: pl.Series, edges: NDArray[np.float64], **keys: str | bool) -> pl.DataFrame:
    """Histogram of one curve as rows bin_low, bin_high, count and fraction of the images."""
    known = values.drop_nulls().to_numpy()
    count = np.histogram(known, bins=edges)[0]
    return pl.DataFrame(
        {"bin_low": edges[:-1], "bin_high": edges[1:], "count": count.astype(np.int64)}
    ).select(
        *[pl.lit(value).alias(key) for key, value in keys.items()],
        pl.all(),
        (pl.col("count") / max(len(values), 1)).alias("fraction"),
        pl.lit(float(np.median(known)) if known.size else None, pl.Float64).alias("median"),
    )


def similarity_gap(nearest: pl.DataFrame) -> pl.DataFrame:
    """Histograms of pool and reference similarity for each test set, before any pruning.

    Args:
        nearest: nearest.parquet of the baseline.

    Returns:
        GAP_SCHEMA; nearer is the share of the test images whose nearest neighbour in the pool is
        nearer than that in the reference.
    """
    edges = bin_edges([nearest])
    parts = []
    for (test_set,), rows in nearest.group_by("test_set", maintain_order=True):
        pool, reference = rows["pool_similarity"], rows["reference_similarity"]
        nearer = float((pool > reference).fill_null(False).to_numpy().mean())
        for curve, values in (("pool before", pool), ("reference", reference)):
            part = _counts(values, edges, test_set=str(test_set), curve=curve)
            parts.append(part.with_columns(pl.lit(nearer).alias("nearer")))
    return pl.concat(parts)


def similarity_pruned(
    nearest: Mapping[str, pl.DataFrame], subsets: Sequence[Subset], baseline: Subset
) -> pl.DataFrame:
    """Histograms before and after each gap-matched pruning, for each test set.

    Args:
        nearest: nearest.parquet by subset; the baseline's gives the similarity before pruning.
        subsets: Gap-matched subsets to show.
        baseline: The subset that keeps the whole pool. It is left out beside a subset that was
            matched with another embedder: their similarities do not compare.

    Returns:
        PRUNED_SCHEMA; matched is whether the subset was matched to this test set.
    """
    edges = bin_edges([nearest[name] for name in (baseline.subset, *[s.subset for s in subsets])])
    parts = []
    for subset in subsets:
        for (test_set,), rows in nearest[subset.subset].group_by("test_set", maintain_order=True):
            curves = {
                "pool after": rows["pool_similarity"],
                "reference": rows["reference_similarity"],
                "training set after": rows.select(
                    pl.max_horizontal("pool_similarity", "reference_similarity")
                ).to_series(),
            }
            if subset.embedder == baseline.embedder:
                before = nearest[baseline.subset].filter(pl.col("test_set") == test_set)
                curves = {"pool before": before["pool_similarity"], **curves}
            for curve, values in curves.items():
                part = _counts(
                    values,
                    edges,
                    subset=subset.subset,
                    test_set=str(test_set),
                    matched=test_set in subset.test_sets,
                    curve=curve,
                )
                parts.append(part)
    return pl.concat(parts) if parts else pl.DataFrame(schema=PRUNED_SCHEMA)


@style.styled
def draw_similarity_gap(frame: pl.DataFrame) -> Figure:
    """One panel per test set: pool and reference, before any pruning."""
    tests = frame["test_set"].unique(maintain_order=True).to_list()
    figure, axes = style.panels(len(tests), sharex=True)
    for panel, test_set in zip(axes, tests, strict=True):
        rows = frame.filter(pl.col("test_set") == test_set)
        _draw_curves(panel, rows)
        images = rows.filter(pl.col("curve") == "reference")["count"].sum()
        panel.set_title(f"{test_set}  (n = {images:,})")
        share = f"{100 * rows['nearer'][0]:.0f} % nearer\nto the pool"
        panel.text(0.03, 0.96, share, transform=panel.transAxes, va="top", color="#444444")
    style.label_axes(axes, "similarity of the nearest neighbour", "fraction of test images")
    style.legend_below(figure, axes)
    return figure


@style.styled
def draw_similarity_pruned(frame: pl.DataFrame) -> Figure:
    """One panel for each gap-matched subset and each test set that it is measured against."""
    if frame.is_empty():
        return style.say_nothing_to_draw(style.grid(1, 1)[0], "no gap-matched subset")
    shown = frame.partition_by("subset", "test_set", maintain_order=True)
    figure, axes = style.panels(len(shown), sharex=True)
    for panel, rows in zip(axes, shown, strict=True):
        _draw_curves(panel, rows)
        subset, test_set, matched = rows.select("subset", "test_set", "matched").row(0)
        panel.set_title(f"{subset}\non {test_set}{', matched' if matched else ''}")
        if not matched:
            panel.set_facecolor("#f6f6f6")
    style.label_axes(axes, "similarity of the nearest neighbour", "fraction of test images")
    style.legend_below(figure, axes)
    return figure


def _draw_curves(panel: Axes, rows: pl.DataFrame) -> None:
    """Draw each curve's histogram and a tick at its median on the lower edge."""
    for (curve,), values in rows.group_by("curve", maintain_order=True):
        label, colour, filled, line = CURVES[str(curve)]
        edges = np.append(values["bin_low"].to_numpy(), values["bin_high"][-1])
        panel.stairs(
            values["fraction"].to_numpy(),
            edges,
            label=label,
            color=colour,
            fill=filled,
            alpha=0.45 if filled else 1.0,
            linestyle=line,
            linewidth=1.4,
        )
        if values["median"][0] is not None:
            panel.axvline(values["median"][0], ymax=0.05, color=colour, linewidth=2.5)
    panel.set_ylim(bottom=0)
