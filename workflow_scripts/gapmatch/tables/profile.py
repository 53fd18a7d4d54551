"""The similarity profile: how similar the 1st, 2nd, ... nearest image is, before and after."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.results.shown import Needs, Table
from gapmatch.running.atomic import write_text
from gapmatch.running.result_files import read_columns

if TYPE_CHECKING:
    from gapmatch.config.results import Results

SCHEMA = {
    "subset": pl.String,
    "test_set": pl.String,
    "rank": pl.Int64,
    "curve": pl.String,
    "mean": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}


def tabulate(*, profiles: list[tuple[str, Path]], out: Path) -> None:
    """Collect the similarity profiles of the pool before and after each pruning.

    Args:
        profiles: Subsets, the one that keeps the whole pool first, and profile.parquet of each.
        out: Path of the table without suffix.
    """
    columns = [name for name in SCHEMA if name != "subset"]
    frames = [
        read_columns(path, columns).select(pl.lit(subset).alias("subset"), *columns)
        for subset, path in profiles
    ]
    write_text(out.with_name(f"{out.name}.csv"), pl.concat(frames).write_csv())


def needs(results: Results, _: str) -> Needs:
    """Return the profiles of the baseline and of the gap-matched subsets."""
    profiles = [(name, results.profile(name)) for name in results.shown_subsets()]
    return Needs([path for _, path in profiles], {"profiles": profiles})


TABLE = Table(
    make=tabulate,
    needs=needs,
    items=lambda results: [""] if results.gap_matched else [],
    suffixes=("csv",),
)
