"""Histograms of nearest-neighbour similarity as curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from gapmatch.drawing import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVES = {  # label, colour, filled, line style
    "pool before": ("pool, before pruning", style.GREY, True, "-"),
    "pool after": ("pool, after pruning", style.BLUE, False, "-"),
    "reference": ("reference", style.ORANGE, False, "-"),
    "training set after": ("pool after pruning + reference", style.BLACK, False, ":"),
}


def draw_curves(panel: Axes, rows: pl.DataFrame) -> None:
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
