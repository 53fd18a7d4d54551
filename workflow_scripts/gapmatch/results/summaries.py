"""Reading summaries, certificates and evaluations: what tables and the report are made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from gapmatch.running.errors import InputError
from gapmatch.running.result_files import read_columns, read_object


@dataclass(frozen=True)
class Subset:
    """summary.json of a subset: how it was declared and what it keeps (counts of pool samples)."""

    subset: str
    method: str
    test_sets: tuple[str, ...]
    rank: int | None
    offset: float | None
    seed: int | None
    embedder: str | None
    embedded: int
    duplicates: int
    pool: int
    kept: int
    pruned: int
    pruned_by: Mapping[str, int]
    settings: Mapping[str, Any]


def read_subsets(paths: Sequence[Path]) -> list[Subset]:
    """Read summary.json files, in the order given (which is the order of tables and legends).

    Raises:
        InputError: A file is not a summary, or two files are of the same subset.
    """
    subsets = []
    for path in paths:
        keys = list(Subset.__dataclass_fields__)
        summary = read_object(path, keys)
        summary["test_sets"] = tuple(summary["test_sets"] or ())
        subsets.append(Subset(**{key: summary[key] for key in keys}))
    names = [subset.subset for subset in subsets]
    if len(set(names)) < len(names):
        raise InputError(f"two summaries are of the same subset: {', '.join(sorted(names))}")
    return subsets


def baseline_of(subsets: Sequence[Subset]) -> Subset:
    """The first subset that keeps the whole pool (method "all").

    Raises:
        InputError: There is none.
    """
    for subset in subsets:
        if subset.method == "all":
            return subset
    raise InputError(
        "no subset with method 'all' among the summaries: the figures compare with the unpruned "
        "pool; add one to the config, e.g. 'baseline: {method: all}'"
    )


def read_certificates(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Read certificate.json files; returns them by subset, in the order given."""
    keys = ("subset", "test_images", "violations", "max_excess", "tolerance", "test_sets")
    certificates = [read_object(path, keys) for path in paths]
    return {certificate["subset"]: certificate for certificate in certificates}


def read_nearest(path: Path) -> pl.DataFrame:
    """Read nearest.parquet: test_set, test_row, reference_similarity, pool_similarity.

    A subset that keeps nothing of the pool has null or NaN pool similarities: both become null.
    """
    columns = ["test_set", "test_row", "reference_similarity", "pool_similarity"]
    similarities = pl.col("reference_similarity", "pool_similarity").cast(pl.Float64)
    return read_columns(path, columns).with_columns(similarities.fill_nan(None))
