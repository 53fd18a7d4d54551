"""The table of subsets."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from gapmatch.errors import InputError
from gapmatch.result_files import Subset

SCHEMA = {
    "subset": pl.String,
    "method": pl.String,
    "test_sets": pl.String,
    "rank": pl.Int64,
    "offset": pl.Float64,
    "pool": pl.Int64,
    "kept": pl.Int64,
    "pruned": pl.Int64,
    "pruned_fraction": pl.Float64,
    "training_set_size": pl.Int64,
    "violations": pl.Int64,
    "max_excess": pl.Float64,
}


def subset_table(
    subsets: Sequence[Subset],
    certificates: Mapping[str, Mapping[str, Any]],
    reference_samples: int,
) -> pl.DataFrame:
    """One row per subset with the columns of ``SCHEMA``.

    training_set_size is kept + reference. rank, offset, violations and max_excess are null where
    they do not apply.

    Raises:
        InputError: The counts of a summary do not reconcile.
    """
    rows = []
    for subset in subsets:
        if subset.kept + subset.pruned != subset.pool:
            raise InputError(
                f"subset {subset.subset}: kept {subset.kept} + pruned {subset.pruned} is not the "
                f"pool of {subset.pool}; select it again"
            )
        certificate = certificates.get(subset.subset, {})
        matched = subset.method == "gap_match"
        rows.append(
            {
                "subset": subset.subset,
                "method": subset.method,
                "test_sets": ", ".join(subset.test_sets),
                "rank": subset.rank if matched else None,
                "offset": subset.offset if matched else None,
                "pool": subset.pool,
                "kept": subset.kept,
                "pruned": subset.pruned,
                "pruned_fraction": subset.pruned / max(subset.pool, 1),
                "training_set_size": subset.kept + reference_samples,
                "violations": certificate.get("violations"),
                "max_excess": certificate.get("max_excess"),
            }
        )
    return pl.DataFrame(rows, schema=SCHEMA)
