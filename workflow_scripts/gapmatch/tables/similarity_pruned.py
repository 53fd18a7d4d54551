"""Histograms of nearest-neighbour similarity before and after gap matching."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from gapmatch.results.shown import Needs, Table
from gapmatch.results.summaries import Subset, baseline_of, read_nearest, read_subsets
from gapmatch.running.atomic import write_text
from gapmatch.running.errors import InputError
from gapmatch.tables.similarity_gap import HISTOGRAM, bin_edges, histogram

if TYPE_CHECKING:
    from gapmatch.config.results import Results

SCHEMA = {
    "subset": pl.String,
    "test_set": pl.String,
    "matched": pl.Boolean,
    "curve": pl.String,
    **HISTOGRAM,
}


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
        ``SCHEMA``; matched is whether the subset was matched to this test set.
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
                part = histogram(
                    values,
                    edges,
                    subset=subset.subset,
                    test_set=str(test_set),
                    matched=test_set in subset.test_sets,
                    curve=curve,
                )
                parts.append(part)
    return pl.concat(parts) if parts else pl.DataFrame(schema=SCHEMA)


def tabulate(*, summaries: list[Path], nearest: list[tuple[str, Path]], out: Path) -> None:
    """Count the nearest-neighbour similarities before and after each gap matching.

    Args:
        summaries: summary.json of each subset to show; one must keep the whole pool (method all).
        nearest: The same subsets, and nearest.parquet of each.
        out: Path of the table without suffix.
    """
    subsets, measured = read_subsets(summaries), dict(nearest)
    baseline = baseline_of(subsets)
    matched = [subset for subset in subsets if subset.method == "gap_match"]
    missing = [one.subset for one in (baseline, *matched) if one.subset not in measured]
    if missing:
        raise InputError(f"--nearest lacks the subsets {', '.join(missing)}")
    similarities = {name: read_nearest(path) for name, path in measured.items()}
    table = similarity_pruned(similarities, matched, baseline)
    write_text(out.with_name(f"{out.name}.csv"), table.write_csv())


def needs(results: Results, _: str) -> Needs:
    """Return the similarities of the baseline and of the gap-matched subsets."""
    shown = results.shown_subsets()
    summaries = [results.summary(name) for name in shown]
    nearest = [(name, results.nearest(name)) for name in shown]
    return Needs(
        inputs=[*summaries, *[path for _, path in nearest]],
        arguments={"summaries": summaries, "nearest": nearest},
    )


TABLE = Table(make=tabulate, needs=needs, suffixes=("csv",))
