"""The table of diversity: how the subsets differ apart from similarity to test images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from gapmatch.results.shown import Needs, Table
from gapmatch.results.table_files import read_csv, write_table
from gapmatch.running.result_files import read_object

if TYPE_CHECKING:
    from gapmatch.config.results import Results

SCHEMA = {
    "subset": pl.String,
    "n": pl.Int64,
    "vendi_score": pl.Float64,
    "effective_clusters": pl.Float64,
    "mean_similarity": pl.Float64,
    "nearest_similarity": pl.Float64,
    "nearest_similarity_low": pl.Float64,
    "nearest_similarity_high": pl.Float64,
    "samples_compared": pl.Int64,
    "distinct_words": pl.Int64,
    "word_entropy": pl.Float64,
}


def diversity_table(measures: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """One row per subset, with the columns of ``SCHEMA``; null where there is nothing to measure.

    Args:
        measures: diversity.json of each subset, in the order of the table.
    """
    return pl.DataFrame([{name: one[name] for name in SCHEMA} for one in measures], schema=SCHEMA)


def read_diversity(path: Path) -> pl.DataFrame:
    """Read the CSV of ``diversity_table``.

    Raises:
        InputError: The file is missing or has other columns.
    """
    return read_csv(path, SCHEMA)


def shown(table: pl.DataFrame) -> pl.DataFrame:
    """Return the table for people: rounded, a dash where there is nothing to measure."""
    rows = []
    for row in table.iter_rows(named=True):
        bounds = (row["nearest_similarity_low"], row["nearest_similarity_high"])
        rows.append(
            {
                "subset": row["subset"],
                "n": f"{row['n']:,}",
                "Vendi score": _text(row["vendi_score"], 1),
                "effective clusters": _text(row["effective_clusters"], 1),
                "mean similarity": _text(row["mean_similarity"], 3),
                "nearest other": _text(row["nearest_similarity"], 3)
                + (f" ({bounds[0]:.3f}\N{EN DASH}{bounds[1]:.3f})" if row["n"] > 1 else ""),
                "distinct words": _text(row["distinct_words"], 0),
                "entropy of words": _text(row["word_entropy"], 2),
            }
        )
    return pl.DataFrame(rows)


def _text(value: float | None, digits: int) -> str:
    return "\N{EN DASH}" if value is None else f"{value:,.{digits}f}"


def tabulate(*, measures: list[Path], out: Path) -> None:
    """Write the table of diversity: measures of the pool samples of each subset.

    Args:
        measures: diversity.json of each subset, in the order of the table.
        out: Path of the table without suffix.
    """
    table = diversity_table([read_object(path, list(SCHEMA)) for path in measures])
    write_table(table, out, TABLE.caption, shown=shown(table))


def needs(results: Results, _: str) -> Needs:
    """Return the measures of all subsets."""
    files = [results.diversity(subset) for subset in results.subsets]
    return Needs(inputs=files, arguments={"measures": files})


TABLE = Table(
    make=tabulate,
    needs=needs,
    place=42,
    caption=(
        "Diversity of the n pool images that each subset keeps, without the reference. Vendi score "
        "(cosine similarity): the effective number of different images, at most the embedding's "
        "dimension. Effective clusters: exp of the entropy of the clusters' shares. Mean "
        "similarity: over all pairs of images. Nearest other: mean similarity to the nearest other "
        "image of the subset, of up to 1,000 images drawn at random, with the 95 % interval over "
        "them. Distinct words and entropy (bits): of the captions. Compare subsets of different "
        "sizes by the mean similarity alone: all the others grow with n."
    ),
)
